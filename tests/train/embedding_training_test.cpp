// Networks of ids, trained and asked: threads, numbers, files, ids beside numbers, and what is said of ids that are none.
// labels: threads
#include <strata/distributed.hpp>

#include "small_training.hpp"

using namespace strata;

namespace {

// Ids that neither bfloat16 nor 16 bits know apart.
constexpr int vocabulary = 70'000, first_id = 69'960;
using PerSequence = Network<Sequence<Ids<vocabulary>, 60>, Named<"embed", Embedding<4, PaddingIndex<0>>>, Linear<8>,
                            GELU, SequenceMean, Linear<3>>;
// Numbers beside ids of two vocabularies, and several outputs.
using Rating = Network<Inputs<Named<"user", Ids<300>>, Named<"meta", Input<1>>, Named<"items", Ids<40, 3>>>,
                       Concat<Branch<From<"user">, Named<"users", Embedding<6>>>, Branch<From<"meta">>,
                              Branch<From<"items">, Named<"items", Embedding<2>>, Flatten>>,
                       Linear<16>, ReLU, Heads<Named<"class", Linear<3>>, Named<"rating", Linear<1>>>>;

/// Sequences of 1 to 50 ids: their class is that of all their ids, modulo 3.
struct Sentences {
    std::vector<std::int32_t> ids;
    std::vector<int> lengths, labels;

    explicit Sentences(int count) {
        Random random(1, Purpose::user);
        for (int i = 0; i < count; ++i) {
            labels.push_back(static_cast<int>(random.below(3)));
            lengths.push_back(1 + static_cast<int>(random.below(i % 7 == 3 ? 50 : 9)));
            for (int t = 0; t < lengths.back(); ++t)
                ids.push_back(first_id + 3 * static_cast<int>(random.below(12)) + labels.back());
        }
    }
    [[nodiscard]] Dataset data() const {
        return from_memory(std::span<std::int32_t const>(ids), {}, Lengths(lengths), labels, 3);
    }
};

FitOptions quiet(int epochs, int batch) {
    return {.epochs = epochs, .batch_size = batch, .progress = ProgressStyle::none};
}
template <class Net>
auto trainer_of(auto const&... policies) {
    return train<Net>(Seed{3}, AdamW{.learning_rate = 0.02, .weight_decay = 0}, policies...);
}

}  // namespace

TEST_CASE("it learns, with the same bits for any threads, and goes on from a checkpoint") {
    Sentences const sentences(80);
    auto const data = sentences.data();
    auto alone = trainer_of<PerSequence>(Cpu{.threads = 1});
    alone.fit(data, quiet(1, 24));
    TemporaryDirectory const directory;
    alone.save_checkpoint(directory / "checkpoint");
    alone.fit(data, quiet(6, 24));
    CHECK(alone.evaluate(data).accuracy > 0.95);
    auto others = trainer_of<PerSequence>(Cpu{.threads = 2, .team_flops = 0}, Accumulate{2});
    others.load_checkpoint(directory / "checkpoint");
    others.fit(data, quiet(6, 12));
    CHECK(same_bits(others.model().parameters(), alone.model().parameters()));
    // The padding's row is not trained, nor are those of ids that did not come.
    auto const& table = alone.model().parameters();
    Model<PerSequence> const begin(3);
    CHECK(std::all_of(table.begin(), table.begin() + 4, [](float w) { return w == 0; }));
    CHECK(same_bits(table.subspan(4, 100), begin.parameters().subspan(4, 100)));
    CHECK(!same_bits(table.subspan(4 * first_id, 4), begin.parameters().subspan(4 * first_id, 4)));

    save(alone.model(), directory / "model");
    auto const model = load<PerSequence>(directory / "model");
    CHECK(model.tensors()[0].name == "embed.weight");
    CHECK(model.tensors()[0].shape == std::vector<std::int64_t>{vocabulary, 4});
    Workspace<PerSequence> all({.threads = 2, .batch_invariant = true}), one({.batch_invariant = true});
    auto const together = model(SequenceBatch(sentences.ids, {}, Lengths(sentences.lengths)), all);
    std::size_t at = 0;
    for (std::size_t i = 0; i < 9; at += static_cast<std::size_t>(sentences.lengths[i++])) {
        std::vector const ids(sentences.ids.begin() + static_cast<std::ptrdiff_t>(at),
                              sentences.ids.begin() + static_cast<std::ptrdiff_t>(at) + sentences.lengths[i]);
        CHECK(
            same_bits(model(SequenceBatch(ids, {}, Lengths({sentences.lengths[i]})), one), together.subspan(3 * i, 3)));
    }
}

TEST_CASE("in Mixed<bfloat16> ids are what they were") {
    Sentences const sentences(80);
    auto trainer = trainer_of<PerSequence>(Cpu{.threads = 2}, Mixed<bfloat16>{});
    trainer.fit(sentences.data(), quiet(6, 24));
    CHECK(trainer.evaluate(sentences.data()).accuracy > 0.95);
}

TEST_CASE("ids beside numbers, from arrays of several types, and several outputs") {
    constexpr std::size_t n = 150;
    std::vector<std::int32_t> users;
    std::vector<std::uint16_t> items;
    std::vector<float> meta, ratings;
    std::vector<int> labels;
    Random random(1, Purpose::user);
    for (std::size_t i = 0; i < n; ++i) {
        users.push_back(static_cast<std::int32_t>(random.below(30)) + 270);
        for (int k = 0; k < 3; ++k) items.push_back(static_cast<std::uint16_t>(random.below(40)));
        meta.push_back(static_cast<float>(random.uniform(-1, 1)));
        labels.push_back(users.back() % 3);
        ratings.push_back(meta.back() + static_cast<float>(items.back() % 2));
    }
    auto const x = input_values<Rating>(named<"items">(items), named<"user">(users), named<"meta">(meta));
    static_assert(std::is_same_v<decltype(x), std::vector<double> const>);
    static_assert(Rating::input_scalars == 10);  // 2, 1, and 6 that begin where an int32 may
    CHECK(x[5] == users[1]);
    // Numbers that came as integers are numbers all the same, and bytes of them fractions.
    auto const whole = input_values<Rating>(named<"items">(items), named<"user">(users),
                                            named<"meta">(std::vector<std::int32_t>(n, 3)));
    static_assert(std::is_same_v<decltype(whole), std::vector<double> const>);
    auto const bytes = input_values<Rating>(named<"items">(items), named<"user">(users),
                                            named<"meta">(std::vector<std::uint8_t>(n, 51)));
    CHECK(whole[5] == users[1]);
    CHECK(whole[6] == 3);
    CHECK(bytes[6] == 0.2);
    auto const data = from_memory(x, {Rating::InputShape::size}, labels, 3).with_targets(ratings, 1);
    Losses const losses{On<"class">(CrossEntropy{}), On<"rating">(MSE{})};
    auto alone = trainer_of<Rating>(losses, Cpu{.threads = 1}), others = trainer_of<Rating>(losses, Cpu{.threads = 2});
    for (auto* const trainer : {&alone, &others}) trainer->fit(data, quiet(40, 16));
    CHECK(same_bits(alone.model().parameters(), others.model().parameters()));
    auto const seen = alone.evaluate(data);
    CHECK(seen.losses["class"].accuracy() == 1);
    CHECK(seen.losses["rating"].loss < 0.05);
    CHECK_THROWS_WITH(
        static_cast<void>(input_values<Rating>(named<"items">(items), named<"user">(items), named<"meta">(meta))),
        "input_values: got 450 values for input user, expected 150, 1 for each of 150 samples");
    CHECK_THROWS_WITH(
        static_cast<void>(input_values<Rating>(named<"items">(items), named<"user">(ratings), named<"meta">(meta))),
        "input_values: input user takes ids, integers of type int32, uint16 or uint8");
    auto wrong = x;
    wrong[5 + 3] = 2.5;
    CHECK_THROWS_WITH(alone.fit(from_memory(wrong, {5}, labels, 3).with_targets(ratings, 1), quiet(41, 16)),
                      "fit: id 2.5 at place 1 of input items of sample 1 of the dataset, expected 0 to 39, as the "
                      "network's Ids<40, ...> say");
    CHECK_THROWS_WITH(
        alone.fit(
            from_memory(std::vector<std::int32_t>(5), {5}, std::vector{0}, 3).with_targets(std::vector<float>(1), 1),
            quiet(41, 16)),
        "fit: the network takes ids and numbers, the samples are ids alone: make them with input_values");
}

TEST_CASE("what is said of ids that are none") {
    using Small = Network<Ids<5, 2>, Embedding<3>, Flatten, Linear<3>>;
    auto trainer = trainer_of<Small>(Cpu{.threads = 1});
    std::vector<std::int32_t> ids{0, 4, 3, 2};
    std::vector const labels{0, 1};
    trainer.train_step(ids, labels);
    trainer.train_step(std::vector<std::uint8_t>{0, 4, 3, 2}, labels);
    Model<Small> const before = trainer.snapshot();
    ids[3] = 5;
    CHECK_THROWS_WITH(trainer.train_step(ids, labels),
                      "train_step: id 5 at place 1 of sample 1 of the batch, expected 0 to 4, as the network's Ids<5, "
                      "...> say");
    ids[3] = 12'345'678;
    CHECK_THROWS_WITH(trainer.train_step(ids, labels),
                      "train_step: id 12345678 at place 1 of sample 1 of the batch, expected 0 to 4, as the network's "
                      "Ids<5, ...> say");
    ids[3] = -1;
    CHECK_THROWS_WITH(trainer.fit(from_memory(ids, {2}, labels, 3), quiet(1, 2)),
                      "fit: id -1 at place 1 of sample 1 of the dataset, expected 0 to 4, as the network's Ids<5, ...> "
                      "say");
    CHECK_THROWS_WITH(static_cast<void>(trainer.predict(from_memory(ids, {2}))),
                      "predict: id -1 at place 1 of sample 1 of the dataset, expected 0 to 4, as the network's Ids<5, "
                      "...> say");
    Workspace<Small> workspace;
    CHECK_THROWS_WITH(before(ids, workspace),
                      "model(batch, workspace): id -1 at place 1 of sample 1 of the batch, expected 0 to 4, as the "
                      "network's Ids<5, ...> say");
    CHECK_THROWS_WITH(
        before(std::vector<float>(2), workspace),
        "model(batch, workspace): the network takes ids, integers of type int32, uint16 or uint8, and the "
        "samples are numbers");
    CHECK_THROWS_WITH(trainer.train_step(std::vector<float>(4), labels),
                      "train_step: the network takes ids, integers of type int32, uint16 or uint8, and the samples are "
                      "numbers");
    CHECK_THROWS_WITH(static_cast<void>(from_memory(ids, {1, 1, 2}, labels, 3).with(RandomHorizontalFlip{})),
                      "with: there are no transforms of ids");
    auto const bytes = from_memory(std::vector<std::uint8_t>{0, 4, 3, 2}, {2}, labels, 3);
    CHECK_THROWS_WITH(trainer.fit(bytes.with(Normalize{{0, 0}, {2, 2}}), quiet(1, 2)),
                      "fit: the network takes ids, which transforms would change: give it a dataset without them");
    CHECK(same_bits(trainer.model().parameters(), before.parameters()));
    trainer.fit(bytes, quiet(1, 2));
    CHECK(!same_bits(trainer.model().parameters(), before.parameters()));

    // Ranks, whatever they keep, have the bits of one.
    auto alone = trainer_of<Small>(Cpu{.threads = 1});
    for (int k = 0; k < 100; ++k) ids.push_back(k % 5);
    ids[3] = 1;
    auto const all = from_memory(ids, {2}, std::vector<int>(52, 1), 3);
    alone.fit(all, quiet(2, 20));
    Threads::run_ranks(2, [&](Threads communicator) {
        auto ranked = trainer_of<Small>(Cpu{.threads = 1}, DataParallel{communicator, Sharded<3>{}});
        ranked.fit(all, quiet(2, 20));
        if (!same_bits(ranked.model().parameters(), alone.model().parameters())) fail("ranks have other bits");
    });

    Workspace<PerSequence> of_sequences;
    CHECK_THROWS_WITH(
        Model<PerSequence>()(SequenceBatch(std::vector<std::int32_t>{1, 2, vocabulary}, {}, Lengths({1, 2})),
                             of_sequences),
        "model(batch, workspace): id 70000 of token 1 of sample 1 of the batch, expected 0 to 69999, as the "
        "network's Ids<70000> say");
    using Numbers = Network<Input<2>, Linear<1>>;
    Workspace<Numbers> of_numbers;
    CHECK_THROWS_WITH(
        Model<Numbers>()(std::vector<std::int32_t>(2), of_numbers),
        "model(batch, workspace): the samples are ids (integers), the network takes numbers: let it begin with "
        "Ids<vocabulary>");
}
