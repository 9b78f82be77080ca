// Compiled with -ffast-math, which takes every number for finite and NaN for nothing: healthy training trains, and what
// is not finite is found all the same.
#include "small_training.hpp"

using namespace strata;

namespace {

// By their bits, and by a way that the compiler does not see through.
float number(std::uint32_t bits) {
    std::uint32_t volatile hidden = bits;
    return std::bit_cast<float>(std::uint32_t{hidden});
}
float const not_a_number = number(0x7fc00000u), infinity = number(0x7f800000u), minus_infinity = number(0xff800000u);
bool all_finite(std::span<float const> values) {
    for (float const& value : values) {
        std::uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        if ((bits & 0x7f800000u) == 0x7f800000u) return false;
    }
    return true;
}

struct Step {
    std::vector<float> x = std::vector<float>(20 * 288);
    std::vector<std::int32_t> labels = std::vector<std::int32_t>(20);
    Step() {
        Random random(2, Purpose::user);
        for (float& v : x) v = static_cast<float>(random.normal());
        for (auto& label : labels) label = static_cast<std::int32_t>(random.below(5));
    }
};

}  // namespace

TEST_CASE("healthy training trains") {
    auto const data = small_images(240);
    auto const check = [&](auto trainer) {
        trainer.fit(data, {.epochs = 4, .batch_size = 16, .progress = ProgressStyle::none});
        CHECK(all_finite(trainer.model().parameters()));
        CHECK(all_finite(trainer.model().buffers()));
        CHECK(trainer.evaluate(data).accuracy > 0.6);  // a fifth by chance
    };
    check(train<SmallLeNet>(SGD{.learning_rate = 0.1}));  // a constant rate, no momentum: neither is given
    check(train<SmallLeNet>(SGD{.learning_rate = 0.05, .momentum = 0.9}, StepLR{.step_size = 10}));
    check(train<SmallResNet>(Adam{.learning_rate = 0.01}, NonFinite{.skip = true}));
}

TEST_CASE("numbers that are not finite are found") {
    Step step;
    for (float const bad : {not_a_number, infinity, minus_infinity}) {
        auto broken = step.x;
        broken[3 * 288 + 40] = bad;
        auto trainer = train<SmallLeNet>(SGD{});
        auto const before = trainer.snapshot();
        CHECK(error_of([&] { trainer.train_step(broken, step.labels); }) ==
              "training step 0: the input of sample 3 of the batch is not finite");
        CHECK(same_bits(before.parameters(), trainer.model().parameters()));
        auto skipping = train<SmallLeNet>(NonFinite{.skip = true});
        CHECK_FALSE(skipping.train_step(broken, step.labels).finite);
        CHECK(skipping.train_step(step.x, step.labels).finite);
    }
    auto exploding = train<SmallLeNet>(SGD{.learning_rate = 1e30});
    CHECK(error_of([&] {
              for (int k = 0; k < 5; ++k) exploding.train_step(step.x, step.labels);
          }).find("not") != std::string::npos);
    CHECK(all_finite(exploding.model().parameters()));

    auto trainer = train<SmallLeNet>();
    auto model = trainer.snapshot();
    model.parameters().back() = not_a_number;
    trainer.set_model(model);
    CHECK(error_of([&] { static_cast<void>(trainer.evaluate(small_images(20))); }) ==
          "evaluate: the output of layer 8 (Linear) is not finite");
}

TEST_CASE("hyperparameters that are not numbers are refused") {
    double const bad = static_cast<double>(not_a_number);
    auto const refused = [](auto policy) { return error_of([&] { static_cast<void>(train<SmallLeNet>(policy)); }); };
    CHECK(refused(SGD{.learning_rate = bad}) != "no error");
    CHECK(refused(AdamW{.weight_decay = bad}) != "no error");
    CHECK(refused(CrossEntropy{.label_smoothing = bad}) != "no error");
    CHECK(refused(DynamicLossScale{.initial = bad}) != "no error");
    CHECK(error_of([&] { static_cast<void>(small_images(8).with(Normalize{{0, bad}, {1, 1}})); }) != "no error");
    CHECK(error_of([&] { static_cast<void>(small_images(8).with(RandomHorizontalFlip{bad})); }) != "no error");
}

TEST_CASE("lanes keep what is not finite") {
    using L = widest_lane<float>;
    if constexpr (width_of<L> >= 4) {
        float x[static_cast<std::size_t>(width_of<L>)] = {not_a_number, infinity, minus_infinity, 0.0f},
              y[std::size(x)];
        auto const bits = [&](L lane, int k) {
            store_lane(y, lane);
            return std::bit_cast<std::uint32_t>(y[k]);
        };
        L const lane = load_lane<L>(x);
        CHECK((bits(exp(lane), 0) & 0x7fffffffu) > 0x7f800000u);
        CHECK((bits(log(lane), 0) & 0x7fffffffu) > 0x7f800000u);
        CHECK(bits(log(lane), 1) == 0x7f800000u);
        CHECK(bits(log(lane), 3) == 0xff800000u);
        CHECK(bits(select(is_nan(lane), L(1), L(0)), 0) == std::bit_cast<std::uint32_t>(1.0f));
        CHECK(bits(select(is_finite(lane), L(1), L(0)), 2) == 0);
    }
}
