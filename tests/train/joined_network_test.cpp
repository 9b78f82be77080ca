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
    CHECK_THROWS_WITH(alone.input_gradients(), "input_gradients: there are none, call backward first");
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
    auto const images = small_images(9, 5);
    std::vector<float> const expected = trainer.predict(images);
    save(model, directory / "joined.safetensors");
    auto const plain = load<PlainJoinedNetwork>(directory / "joined.safetensors");
    CHECK(same(plain.parameters(), model.parameters()));
    OneBatch const batch(images);
    Workspace<PlainJoinedNetwork> workspace;
    auto const outputs = plain(*batch, workspace);
    CHECK(same({outputs.data(), expected.size()}, expected));

    auto const folded = fold_batch_norm(plain);
    static_assert(!FoldedNetwork<PlainJoinedNetwork>::is_batch_wide);
    Workspace<FoldedNetwork<PlainJoinedNetwork>> served;
    auto const without = folded(*batch, served);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(without[i] == doctest::Approx(expected[i]).epsilon(1e-4));

    Workspace<PlainJoinedNetwork> invariant(Cpu{.threads = 1, .batch_invariant = true});
    auto const together = plain(*batch, invariant);
    std::vector<float> const all(together.data(), together.data() + expected.size());
    for (std::size_t i = 0; i < 9; ++i) {
        OneBatch const one(images.subset(std::vector<std::size_t>{i}));
        CHECK(same({plain(*one, invariant).data(), 5}, std::span(all).subspan(5 * i, 5)));
    }
}

TEST_CASE("bfloat16: the gradients of Float32, roughly") {
    OneBatch const batch(small_images(33));
    auto exact = trainer_of();
    auto rough = trainer_of(Mixed<bfloat16>{});
    exact.backward(*batch);
    rough.backward(*batch);
    double error = 0, norm = 0;
    for (std::size_t i = 0; i < exact.input_gradients().size(); ++i) {
        auto const a = static_cast<double>(exact.input_gradients()[i]),
                   b = static_cast<double>(rough.input_gradients()[i]);
        error += (a - b) * (a - b);
        norm += a * a;
    }
    CHECK(error < 0.04 * norm);  // ReLUs that go the other way: as for other networks
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
