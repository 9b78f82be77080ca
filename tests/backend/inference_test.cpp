// labels: threads
// Inference is const and re-entrant: one model, a workspace a thread, any batch size.
#include <Eigen/Core>
#include <thread>

#include "../train/small_training.hpp"

using namespace strata;

namespace {

std::vector<float> samples_of(std::size_t count) {
    Random random(11, Purpose::user);
    std::vector<float> values(count * 288);
    for (float& v : values) v = static_cast<float>(random.normal());
    return values;
}

/// A model whose running statistics are no longer 0 and 1.
template <class Net>
Model<Net> trained_model() {
    auto trainer = train<Net>(Cpu{.threads = 1}, SGD{.learning_rate = 0.05});
    FitOptions options;
    options.batch_size = 20;
    options.progress = ProgressStyle::none;
    trainer.fit(small_images(60), options);
    return trainer.snapshot();
}

// Workspaces and trainers live in containers and are handed on.
static_assert(std::is_nothrow_move_constructible_v<Workspace<SmallLeNet>>);
static_assert(std::is_move_assignable_v<Workspace<SmallLeNet>>);
static_assert(std::is_move_constructible_v<decltype(train<SmallLeNet>())>);

}  // namespace

TEST_CASE_TEMPLATE("eight threads share one model", Net, SmallLeNet, SmallResNet) {
    Model<Net> const model = trained_model<Net>();
    auto const x = samples_of(40);
    std::vector<std::size_t> const sizes{1, 16, 3, 40, 5, 17, 2, 33};
    std::vector<std::vector<float>> expected;
    for (std::size_t const n : sizes) {
        Workspace<Net> workspace;
        auto const y = model(std::span(x).first(n * 288), workspace);
        expected.emplace_back(y.begin(), y.end());
    }
    std::vector<std::vector<float>> got(8);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            Workspace<Net> workspace(Cpu{.threads = 1});
            for (std::size_t i = 0; i < 3 * sizes.size(); ++i) {
                std::size_t const k = (t + i) % sizes.size();
                auto const y = model(std::span(x).first(sizes[k] * 288), workspace);
                // Collected, not checked here: doctest's macros would serialise the threads.
                if (!same_bits(std::span<float const>(y), std::span<float const>(expected[k]))) got[t].push_back(1);
            }
        });
    for (auto& thread : threads) thread.join();
    for (auto const& wrong : got) CHECK(wrong.empty());
}

TEST_CASE_TEMPLATE("a workspace with several threads gives the same bits", Net, SmallLeNet, SmallResNet) {
    Model<Net> const model = trained_model<Net>();
    auto const x = samples_of(40);
    for (std::size_t const n : {1u, 2u, 5u, 16u, 17u, 40u}) {
        CAPTURE(n);
        Workspace<Net> one;
        auto const expected = model(std::span(x).first(n * 288), one);
        for (int const count : {2, 3, 4}) {
            Workspace<Net> many(Cpu{.threads = count}), teams(Cpu{.threads = count, .team_flops = 0});
            CHECK(same_bits(expected, model(std::span(x).first(n * 288), many)));
            CHECK(same_bits(expected, model(std::span(x).first(n * 288), teams)));
        }
    }
}

TEST_CASE_TEMPLATE("every batch size agrees with one sample at a time", Net, SmallLeNet, SmallResNet) {
    Model<Net> const model = trained_model<Net>();
    auto const x = samples_of(40);
    Workspace<Net> single, any;
    std::vector<float> expected;
    for (std::size_t s = 0; s < 40; ++s) {
        auto const y = model(std::span(x).subspan(s * 288, 288), single);
        REQUIRE(y.size() == 5);
        expected.insert(expected.end(), y.begin(), y.end());
    }
    for (std::size_t n = 40; n >= 1; --n) {
        CAPTURE(n);
        auto const y = model(std::span(x).first(n * 288), any);
        REQUIRE(y.size() == n * 5);
        // Sums of at most 100 terms of order one, in another order where tiles have another width.
        for (std::size_t i = 0; i < n * 5; ++i) CHECK(std::abs(y[i] - expected[i]) < 2e-5f);
    }
}

TEST_CASE("a snapshot does not change while training goes on") {
    auto trainer = train<SmallLeNet>(SGD{.learning_rate = 0.1});
    auto const x = samples_of(8);
    std::vector<std::int32_t> const labels{0, 1, 2, 3, 4, 0, 1, 2};
    auto const snapshot = trainer.snapshot();
    Workspace<SmallLeNet> workspace, other;
    auto const before = snapshot(x, workspace);
    trainer.train_step(x, labels);
    CHECK(same_bits(before, snapshot(x, other)));
    CHECK_FALSE(same_bits(before, trainer.model()(x, other)));
}

TEST_CASE("a trainer predicts what a workspace gives") {
    auto trainer = train<SmallResNet>(Cpu{.threads = 2});
    auto const x = samples_of(19);
    auto const predicted = trainer.predict(from_memory(x, {2, 12, 12}));
    Workspace<SmallResNet> workspace;
    CHECK(same_bits(std::span<float const>(predicted), trainer.model()(x, workspace)));
}

TEST_CASE("a trainer predicts the same in batches of any size") {
    auto trainer = train<SmallLeNet>(Cpu{.threads = 2, .batch_invariant = true});
    auto const data = from_memory(samples_of(19), {2, 12, 12});
    auto const predicted = trainer.predict(data);
    for (int const batch_size : {1, 2, 7, 16}) CHECK(trainer.predict(data, batch_size) == predicted);
}

TEST_CASE("a model is evaluated as by its trainer") {
    auto const data = small_images(50);
    auto trainer = train<SmallLeNet>(CrossEntropy{.label_smoothing = 0.1});
    trainer.fit(data, {.batch_size = 10, .progress = ProgressStyle::none});
    auto const expected = trainer.evaluate(data),
               got = evaluate(trainer.model(), data, CrossEntropy{.label_smoothing = 0.1}, Cpu{.threads = 2});
    CHECK(got.loss == expected.loss);
    CHECK(got.correct == expected.correct);
    CHECK(got.predictions == expected.predictions);
    CHECK(evaluate(trainer.model(), data).loss != expected.loss);
    CHECK_CONTAINS(error_of([&] { static_cast<void>(evaluate(trainer.model(), Dataset{})); }), "the dataset is empty");
}

TEST_CASE("a batch of bytes is as good as one of numbers") {
    Model<SmallLeNet> const model(5);
    auto const images = small_images(20);
    Loader loader(images, {.batch_size = 20, .shuffle = false, .threads = 0});
    loader.begin_epoch(0);
    Batch const& bytes = *loader.next();
    std::vector<float> numbers;
    for (std::size_t i = 0; i < 20 * 288; ++i)
        numbers.push_back(static_cast<float>(bytes.scale[i / 144 % 2]) *
                              static_cast<float>(static_cast<std::uint8_t const*>(bytes.inputs)[i]) +
                          static_cast<float>(bytes.shift[i / 144 % 2]));
    Workspace<SmallLeNet> a, b;
    auto const x = model(bytes, a), y = model(numbers, b);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(x[i] - y[i]) < 1e-5f);  // one rounding an input
}

TEST_CASE("a model takes what from_memory takes, and gives what predict gives") {
    using ByRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    auto trainer = train<SmallLeNet>(Cpu{.threads = 1}, Seed{4});
    Workspace<SmallLeNet> workspace;
    auto const as_predicted = [&](auto const& samples) {
        auto const expected = trainer.predict(from_memory(samples, {2, 12, 12}));
        CHECK(same_bits(std::span<float const>(expected), trainer.model()(samples, workspace)));
        return expected;
    };
    auto const x = samples_of(5);
    auto const expected = as_predicted(x);
    CHECK(as_predicted(std::span(x)) == expected);
    CHECK(as_predicted(view(x)) == expected);
    CHECK(as_predicted(Eigen::Map<ByRows const>(x.data(), 5, 288)) == expected);
    ByRows const rows = Eigen::Map<ByRows const>(x.data(), 5, 288);
    CHECK(as_predicted(rows) == expected);
    CHECK(as_predicted(Eigen::MatrixXf(rows)) == expected);
    CHECK(as_predicted(Eigen::MatrixXd(rows.cast<double>())) == expected);
    CHECK(as_predicted(Eigen::VectorXf(rows.row(0))) == std::vector(expected.begin(), expected.begin() + 5));
    CHECK(as_predicted(rows.middleRows(1, 2)) == std::vector(expected.begin() + 5, expected.begin() + 15));
    ByRows wide(5, 300);
    wide.rightCols(288) = rows;
    CHECK(as_predicted(wide.rightCols(288)) == expected);
    std::array<float, 288> first{};
    float plain[288];
    std::copy_n(x.begin(), 288, first.begin());
    std::copy_n(x.begin(), 288, plain);
    CHECK(as_predicted(first) == as_predicted(plain));
    std::vector<std::uint8_t> bytes(3 * 288);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37);
    as_predicted(bytes);
    as_predicted(std::vector<double>(x.begin(), x.end()));
    CHECK(error_of([&] { trainer.model()(wide, workspace); }) ==
          "model(samples, workspace): the matrix has 300 columns, expected 288, the values of a sample");
    CHECK(error_of([&] { trainer.model()(std::vector<std::uint8_t>(5), workspace); }) ==
          "model(samples, workspace): got 5 values, expected a positive multiple of 288, the size of one sample");
}

TEST_CASE("what is no whole number of samples is refused") {
    Model<SmallLeNet> const model;
    Workspace<SmallLeNet> workspace;
    CHECK(error_of([&] { model(std::vector<float>(287), workspace); }) ==
          "model(samples, workspace): got 287 values, expected a positive multiple of 288, the size of one sample");
    CHECK_CONTAINS(error_of([&] { model(std::vector<float>(), workspace); }), "got 0 values");
    Batch const batch{.size = 1, .shape = {1, 12, 12}};
    CHECK_CONTAINS(error_of([&] { model(batch, workspace); }), "1 samples of 144 values");
}
