// expect: a schedule is a plain value with using policy = SchedulePolicy and ScheduleValue operator()(double
#include <strata/strata.hpp>

using namespace strata;
struct Halving {
    using policy = SchedulePolicy;
    double operator()(double rate, SchedulePosition const& position) const {
        return rate / static_cast<double>(1 + position.epoch);
    }
};
int main() {
    auto trainer = train<Network<Input<4>, Linear<2>>>(Halving{});
    trainer.train_step(Batch{});
}
