// Networks of sequences, trained and asked: threads, numbers, company, checkpoints, and what is said of data that do not fit.
// labels: threads
#include "small_training.hpp"

using namespace strata;

namespace {

// A class for each sequence: behind SequenceMean and SequenceMax there is one column a sequence.
using PerSequence = Network<Sequence<Input<6>, 100>, Linear<16>, GELU,
                            Residual<Main<LayerNorm<>, Linear<48>, Attention<2>, Dropout<0.1>>>,
                            Concat<Branch<SequenceMean>, Branch<SequenceMax, Linear<8>>>, ReLU, Linear<3>>;
// A class for each token; Causal: a token sees those before it and itself.
using PerToken =
    Network<Sequence<Input<6>, 100>, Linear<12>, Tanh,
            Residual<Main<LayerNorm<>, Linear<36>, Attention<3, Causal>, Linear<12>>>, LayerNorm<>, Linear<3>>;
template <class In>
using TwoHeads = Network<In, Linear<8>, Heads<Named<"class", Linear<3>>, Named<"slope", Linear<1>>>>;

/// Sequences of 1 to 90 tokens, most of them short. A sequence's class is the feature with the largest sum; a token's the
/// largest of its first three, and -100 where that is small.
struct Tokens {
    std::vector<float> x;
    std::vector<int> lengths, of_sequences, of_tokens;

    explicit Tokens(int count, std::uint64_t seed = 1) {
        Random random(seed, Purpose::user);
        for (int i = 0; i < count; ++i) {
            lengths.push_back(1 + static_cast<int>(random.below(i % 7 == 3 ? 90 : 12)));
            double sums[3] = {};
            for (int t = 0; t < lengths.back(); ++t) {
                for (int k = 0; k < 6; ++k) x.push_back(static_cast<float>(random.uniform(-1, 1)));
                float const* const token = x.data() + x.size() - 6;
                of_tokens.push_back(largest(token) >= 0 && token[largest(token)] < 0.1 ? -100 : largest(token));
                for (int k = 0; k < 3; ++k) sums[k] += token[k];
            }
            of_sequences.push_back(largest(static_cast<double const*>(sums)));
        }
    }
    template <class T>
    static int largest(T const* numbers) {
        return static_cast<int>(std::max_element(numbers, numbers + 3) - numbers);
    }
    [[nodiscard]] Dataset by_sequence() const { return from_memory(x, {6}, Lengths(lengths), of_sequences, 3); }
    [[nodiscard]] Dataset by_token() const { return from_memory(x, {6}, Lengths(lengths), of_tokens, 3); }
};

FitOptions quiet(int epochs, int batch = 24) {
    return {.epochs = epochs, .batch_size = batch, .progress = ProgressStyle::none};
}

template <class Net>
auto trainer_of(auto const&... policies) {
    return train<Net>(Seed{3}, AdamW{.learning_rate = 0.01}, policies...);
}

}  // namespace

TEST_CASE("a class a sequence: it learns, with the same bits for any threads, and goes on from a checkpoint") {
    auto const data = Tokens(100).by_sequence();
    auto alone = trainer_of<PerSequence>(Cpu{.threads = 1});
    alone.fit(data, data, quiet(2));
    TemporaryDirectory const directory;
    alone.save_checkpoint(directory / "checkpoint");
    alone.fit(data, data, quiet(7));
    auto const seen = alone.evaluate(data);
    CHECK(seen.accuracy > 0.8);
    CHECK(seen.samples == 100);
    CHECK(seen.counted == 100);
    for (int const threads : {2, 3}) {
        auto others = trainer_of<PerSequence>(Cpu{.threads = threads, .team_flops = threads == 2 ? 0.0 : 1e9},
                                              Accumulate{threads});
        others.load_checkpoint(directory / "checkpoint");
        others.fit(data, data, quiet(7, 24 / threads));
        CHECK(same_bits(others.model().parameters(), alone.model().parameters()));
    }
}

TEST_CASE("a class a token, in Mixed<bfloat16>: the mean is over the tokens that count") {
    Tokens const tokens(100);
    auto const data = tokens.by_token();
    auto trainer = trainer_of<PerToken>(Cpu{.threads = 2}, Mixed<bfloat16>{});
    trainer.fit(data, data, quiet(6));
    auto const all = trainer.evaluate(data, 37);
    CHECK(all.accuracy > 0.8);
    CHECK(all.samples == 100);
    CHECK(all.predictions.size() == tokens.of_tokens.size());
    auto const scores = trainer.predict(data, 11);
    double loss = 0;
    std::int64_t counted = 0, correct = 0;
    for (std::size_t t = 0; t < tokens.of_tokens.size(); ++t) {
        int const label = tokens.of_tokens[t];
        if (label == -100) continue;
        float const* const row = scores.data() + 3 * t;
        double sum = 0;
        for (int k = 0; k < 3; ++k) sum += std::exp(static_cast<double>(row[k]));
        loss += std::log(sum) - static_cast<double>(row[label]);
        ++counted;
        correct += Tokens::largest(row) == label ? 1 : 0;
    }
    CHECK(all.counted == counted);
    CHECK(all.correct == correct);
    CHECK(all.loss == doctest::Approx(loss / static_cast<double>(counted)).epsilon(1e-3));  // scores of bfloat16
    // A part of the sequences, in another order.
    auto const part = data.subset({9, 3, 3, 90});
    CHECK(trainer.evaluate(part).predictions.size() == part.columns());
    CHECK(part.labels().size() == part.columns());
    CHECK(part.labels(1).size() == static_cast<std::size_t>(data.length(3)));
    CHECK(part.labels(2)[0] == data.labels(3)[0]);
}

TEST_CASE("heads a token: their means are over the tokens, as over the samples of other networks") {
    Tokens const tokens(30);
    std::vector<float> slopes;
    for (std::size_t i = 0; i < tokens.x.size(); i += 6) slopes.push_back(tokens.x[i]);
    Losses const losses{On<"class">(CrossEntropy{}), On<"slope">(MSE{})};
    auto of_tokens = train<TwoHeads<Sequence<Input<6>, 100>>>(Seed{3}, losses, Cpu{.threads = 2});
    auto of_samples = train<TwoHeads<Input<6>>>(Seed{3}, losses, Cpu{.threads = 2});
    auto const a = of_tokens.evaluate(tokens.by_token().with_targets(slopes, 1));
    auto const b = of_samples.evaluate(from_memory(tokens.x, {6}, tokens.of_tokens, 3).with_targets(slopes, 1));
    CHECK(a.counted == b.counted);
    CHECK(a.correct == b.correct);
    for (char const* const head : {"class", "slope"})
        CHECK(a.losses[head].loss == doctest::Approx(b.losses[head].loss).epsilon(1e-5));
    CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-5));
}

TEST_CASE("an answer does not depend on the sequences that it comes with") {
    Tokens const tokens(60);
    Model<PerSequence> const model(5);
    Workspace<PerSequence> all({.threads = 2, .batch_invariant = true}), one({.batch_invariant = true});
    SequenceBatch const batch(tokens.x, {6}, Lengths(tokens.lengths));
    auto const together = model(batch, all);
    REQUIRE(together.size() == 180);
    for (std::size_t i = 0, first = 0; i < 60; first += static_cast<std::size_t>(tokens.lengths[i++])) {
        auto const length = static_cast<std::size_t>(tokens.lengths[i]);
        std::vector<float> const own(tokens.x.begin() + static_cast<std::ptrdiff_t>(6 * first),
                                     tokens.x.begin() + static_cast<std::ptrdiff_t>(6 * (first + length)));
        auto const alone = model(SequenceBatch(own, {6}, Lengths(std::vector{length})), one);
        CHECK(same_bits(alone, together.subspan(3 * i, 3)));
    }
}

TEST_CASE("data that do not fit") {
    Tokens const tokens(5);
    CHECK_THROWS_WITH(static_cast<void>(from_memory(std::vector<float>(12), {6}, Lengths(std::vector{1, 0, 1}))),
                      "from_memory: sequence 1 has 0 tokens, expected at least 1");
    CHECK_THROWS_WITH(static_cast<void>(from_memory(std::vector<float>(12), {6}, Lengths(std::vector{1, 2}))),
                      "from_memory: the lengths of the first 2 sequences are more than the 2 tokens that there are");
    CHECK_THROWS_WITH(static_cast<void>(from_memory(std::vector<float>(18), {6}, Lengths(std::vector{1, 1}))),
                      "from_memory: the sequences have 2 tokens together, and there are 3");
    CHECK_THROWS_WITH(
        static_cast<void>(from_memory(std::vector<float>(18), {6}, Lengths(std::vector{1, 2}), std::vector{0}, 3)),
        "from_memory: got 1 labels for 2 sequences of 3 tokens, expected one for each of those or these");
    auto trainer = trainer_of<PerSequence>(Cpu{.threads = 1});
    CHECK_THROWS_WITH(trainer.fit(tokens.by_token(), quiet(1)),
                      "fit: the network has an output a sequence, and labels or targets are those of tokens");
    CHECK_THROWS_WITH(
        trainer.fit(from_memory(std::vector<float>(18), {6}, std::vector{0, 1, 2}, 3), quiet(1)),
        "fit: the network takes sequences, the samples are single ones: give from_memory their Lengths, or "
        "make a SequenceBatch");
    CHECK_THROWS_WITH(
        trainer.fit(from_memory(std::vector<float>(606), {6}, Lengths(std::vector{101}), std::vector{0}, 3), quiet(1)),
        "fit: sample 0 of the dataset has 101 tokens, the network's longest sequence has 100: Sequence<Input<...>, "
        "longest>");
    CHECK_THROWS_WITH(trainer.train_step(std::vector<float>(6), std::vector{0}),
                      "train_step: the network takes sequences, the samples are single ones: give from_memory their "
                      "Lengths, or make a SequenceBatch");
    std::vector<float> x(24, 1.0f);
    x[6 * 2 + 1] = std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH(trainer.train_step(SequenceBatch(x, {6}, Lengths(std::vector{1, 3}), std::vector{0, 1})),
                      "training step 0: the input of token 1 of sample 1 of the batch is not finite");
    CHECK_THROWS_WITH(trainer.train_step(SequenceBatch(x, {6}, Lengths(std::vector{1, 3}), std::vector{0, 3})),
                      "train_step: label 3 of sample 1 of the batch, expected 0 to 2");
    CHECK_THROWS_WITH(static_cast<void>(tokens.by_token().with(RandomCrop{.padding = 1})),
                      "with: of sequences there is Normalize alone");
    auto const three = from_memory(x, {6}, Lengths({1, 2, 1}), std::vector{0, 1, 2}, 3);
    CHECK(three.length(1) == 2);
    CHECK_THROWS_WITH(static_cast<void>(three.length(3)), "length: index 3 is not below 3, the number of samples");
    CHECK_THROWS_WITH(static_cast<void>(three.labels(3)), "labels: index 3 is not below 3, the number of samples");
    SequenceBatch const sequences(x, {6}, Lengths(std::vector{1, 3}), std::vector{0, 1});
    Batch late = sequences;
    std::vector<std::int32_t> starts{1, 1, 4};
    late.starts = starts.data();
    CHECK_THROWS_WITH(trainer.train_step(late), "train_step: the batch's first sequence begins at token 1, expected 0");
    Workspace<PerSequence> workspace;
    CHECK_THROWS_WITH(static_cast<void>(trainer.model()(late, workspace)),
                      "model(batch, workspace): the batch's first sequence begins at token 1, expected 0");
    starts[0] = 0, starts[1] = 0;
    CHECK_THROWS_WITH(
        trainer.train_step(late),
        "train_step: sample 0 of the batch has 0 tokens, expected 1 to 100: Sequence<Input<...>, longest>");
    CHECK_THROWS_WITH(static_cast<void>(tokens.by_token().with(RandomHorizontalFlip{})),
                      "with: of sequences there is Normalize alone");
}
