// A network of branches that meet, trained: all that holds for other networks holds for it, and for its input's gradient.
// labels: threads
#include <mutex>

#include <strata/distributed.hpp>

#include "joined_network.hpp"

using namespace strata;

namespace {

/// Some steps of different sizes; the parameters, and the input gradients of the last batch.
template <class Trainer>
std::vector<float> some_steps(Trainer& trainer) {
    for (int const size : {20, 70, 5}) {
        OneBatch const batch(small_images(static_cast<std::size_t>(size)));
        trainer.train_step(*batch);
    }
    OneBatch const batch(small_images(37, 3));
    trainer.backward(*batch);
    auto const gradients = trainer.input_gradients();
    std::vector<float> all(gradients.begin(), gradients.end());
    CHECK(all.size() == 37 * 288);
    trainer.update();
    auto const& model = trainer.model();
    all.insert(all.end(), model.parameters().begin(), model.parameters().end());
    all.insert(all.end(), model.buffers().begin(), model.buffers().end());
    return all;
}
auto trainer_of(auto const&... policies) {
    return train<JoinedNetwork>(Seed{7}, SGD{.learning_rate = 0.05, .momentum = 0.9}, policies...);
}
bool same(std::span<float const> a, std::span<float const> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

}  // namespace

TEST_CASE("any number of threads, teams or not, and a loss scale: the same bits") {
    auto alone = trainer_of(Cpu{.threads = 1});
    CHECK_THROWS_WITH(static_cast<void>(alone.input_gradients()),
                      "input_gradients: there are none, call backward first");
    auto const expected = some_steps(alone);
    for (int const threads : {2, 3, 4})
        for (double const team_flops : {0.0, 1e9}) {
            CAPTURE(threads);
            auto trainer = trainer_of(Cpu{.threads = threads, .team_flops = team_flops});
            CHECK(same(some_steps(trainer), expected));
        }
    auto scaled = trainer_of(StaticLossScale{1024});
    CHECK(same(some_steps(scaled), expected));
}

TEST_CASE("ranks, whatever they keep, have the bits of one") {
    auto alone = trainer_of(Cpu{.threads = 1});
    auto const expected = some_steps(alone);
    std::mutex checking;
    auto const check = [&](auto const&... ways) {
        Threads::run_ranks(3, [&](Threads communicator) {
            auto trainer = trainer_of(Cpu{.threads = 1}, DataParallel{communicator, ways...});
            auto const got = some_steps(trainer);
            std::lock_guard const lock(checking);
            CHECK(same(got, expected));
        });
    };
    check();
    check(Sharded<2>{});
    check(Sharded<3>{});
}

TEST_CASE("what ranks send and keep is what is predicted") {
    OneBatch const batch(small_images(96));
    std::mutex checking;
    Threads::run_ranks(3, [&](Threads engine) {
        Recorded communicator(std::move(engine));
        auto trainer = trainer_of(Cpu{.threads = 1}, DataParallel{communicator});
        trainer.train_step(*batch);
        communicator.clear();
        trainer.train_step(*batch);
        Wire const wire = wire_of<JoinedNetwork>(96, 3, communicator.rank());
        auto const memory = memory_of<JoinedNetwork>(96, 3, communicator.rank(), Cpu{.threads = 1});
        std::lock_guard const lock(checking);
        CHECK(communicator.bytes_sent() == wire.bytes);
        CHECK(trainer.executor().memory_bytes() == memory.activations + memory.gradients);
    });
}

TEST_CASE("inference: without BatchNorm, alone, and from a file of another network type") {
    TemporaryDirectory const directory;
    auto trainer = trainer_of(Cpu{.threads = 1});
    some_steps(trainer);
    auto const& model = trainer.model();
    std::vector<float> x(9 * 288);
    Random random(5, Purpose::user);
    for (float& value : x) value = static_cast<float>(random.normal());
    Workspace<JoinedNetwork> its_own;
    auto const outputs = model(x, its_own);
    std::vector<float> const expected(outputs.begin(), outputs.end());
    save(model, directory / "joined.safetensors");
    auto const plain = load<PlainJoinedNetwork>(directory / "joined.safetensors");
    CHECK(same(plain.parameters(), model.parameters()));
    Workspace<PlainJoinedNetwork> workspace;
    CHECK(same(plain(x, workspace), expected));

    auto const folded = fold_batch_norm(plain);
    static_assert(!FoldedNetwork<PlainJoinedNetwork>::is_batch_wide);
    Workspace<FoldedNetwork<PlainJoinedNetwork>> served;
    auto const without = folded(x, served);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(without[i] == doctest::Approx(expected[i]).epsilon(1e-4));

    Workspace<PlainJoinedNetwork> invariant(Cpu{.threads = 1, .batch_invariant = true});
    auto const together = plain(x, invariant);
    std::vector<float> const all(together.begin(), together.end());
    for (std::size_t i = 0; i < 9; ++i) {
        auto const alone = plain(std::span(x).subspan(288 * i, 288), invariant);
        CHECK(same(alone, std::span(all).subspan(5 * i, 5)));
    }
}

TEST_CASE("on tiles of any size the gradients are those of Float64, and roughly with bfloat16") {
    // Of all of the gradient: the errors are mostly discrete, ReLUs and maxima that go the other way.
    auto const difference = [](auto const& got, auto const& exact) {
        double error = 0, norm = 0;
        for (std::size_t i = 0; i < exact.size(); ++i) {
            double const d = static_cast<double>(got[i]) - exact[i];
            error += d * d;
            norm += exact[i] * exact[i];
        }
        return std::sqrt(error / norm);
    };
    for (int const size : {1, 2, 4, 8, 16, 35}) {
        CAPTURE(size);
        OneBatch const batch(small_images(static_cast<std::size_t>(size)));
        auto exact = trainer_of(Float64{});
        auto single = trainer_of();
        auto rough = trainer_of(Mixed<bfloat16>{});
        exact.backward(*batch);
        single.backward(*batch);
        rough.backward(*batch);
        CHECK(difference(single.input_gradients(), exact.input_gradients()) < 1e-3);
        CHECK(difference(single.gradients(), exact.gradients()) < 1e-3);
        CHECK(difference(rough.input_gradients(), exact.input_gradients()) < 0.3);
        CHECK(difference(rough.gradients(), exact.gradients()) < 0.3);
    }
}

TEST_CASE("the layer whose output is not finite is found beside the branches") {
    auto trainer = trainer_of(Cpu{.threads = 1});
    auto model = trainer.snapshot();
    for (auto& tensor : model.tensors())
        if (tensor.name == "0.1.0.weight") static_cast<float*>(tensor.data)[0] = INFINITY;
    trainer.set_model(model);
    OneBatch const batch(small_images(4));
    CHECK_THROWS_WITH_AS(trainer.train_step(*batch), doctest::Contains("0.1.0"), Error);
}
