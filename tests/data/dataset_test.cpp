// labels: libcxx
#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <deque>
#include <Eigen/Core>
#include <limits>
#include <strata/data/dataset.hpp>
#include <string>
#include <vector>

#include "files.hpp"

using namespace strata;

namespace {
std::vector<float> const six{0, 1, 2, 3, 4, 5};

template <class T>
std::vector<T> values_of(Dataset const& data, std::size_t index) {
    auto const* const first = static_cast<T const*>(data.sample(index));
    return {first, first + data.shape().size()};
}
}  // namespace

TEST_CASE_TEMPLATE("lvalues are copied, spans and view(x) are viewed, whatever holds them", T, std::uint8_t, float,
                   double) {
    std::vector<T> const vector{1, 2, 3, 4, 5, 6};
    std::array<T, 6> array{1, 2, 3, 4, 5, 6};
    T const plain[6] = {1, 2, 3, 4, 5, 6};
    std::vector<int> const labels{0, 1, 0};
    auto const as_it_should_be = [&](Dataset const& data) {
        CHECK(data.size() == 3);
        CHECK(data.type() == data_type_of<T>);
        CHECK(data.shape() == SampleShape{2, 1, 1});
        CHECK(values_of<T>(data, 2) == std::vector<T>{5, 6});
        CHECK(data.classes() == 2);
        CHECK(std::vector<int>(data.labels().begin(), data.labels().end()) == labels);
    };
    auto const copied = [&](auto const& samples) {
        Dataset const data = from_memory(samples, {2, 1, 1}, labels, 2);
        as_it_should_be(data);
        CHECK(data.sample(0) != std::data(samples));
    };
    copied(vector);
    copied(array);
    copied(plain);
    auto const viewed = [&](auto&& samples, T const* first) {
        Dataset const data = from_memory(samples, {2, 1, 1}, view(labels), 2);
        as_it_should_be(data);
        CHECK(data.sample(0) == first);
        CHECK(data.sample(2) == first + 4);
    };
    viewed(view(vector), vector.data());
    viewed(view(array), array.data());
    viewed(view(plain), plain);
    viewed(view(std::span(vector)), vector.data());
    viewed(std::span(vector), vector.data());
    std::span<T, 6> span(array);
    viewed(span, array.data());
}

// What everybody writes first. Under AddressSanitizer a view would be seen here.
TEST_CASE("a dataset of local arrays outlives them") {
    auto const from_a_file = [] {
        std::vector<float> samples(600), targets(300);
        std::vector<int> labels(300, 1);
        for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<float>(i);
        for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<float>(2 * i);
        std::pair result{from_memory(samples, {2}, labels, 2), from_memory(samples, {2}, targets, 1)};
        samples.assign(600, -1.0f);
        targets.assign(300, -1.0f);
        return result;
    };
    auto const [labelled, regression] = from_a_file();
    CHECK(labelled.shape() == SampleShape{2, 1, 1});
    CHECK(values_of<float>(labelled, 299) == std::vector<float>{598, 599});
    CHECK(values_of<float>(regression, 1) == std::vector<float>{2, 3});
    CHECK(*static_cast<float const*>(regression.target(299)) == 598);
}

TEST_CASE("only what owns its numbers is taken over") {
    /// A view that does not tell anybody that it is one.
    struct Window {
        float const* first;
        [[nodiscard]] float const* data() const { return first; }
        [[nodiscard]] std::size_t size() const { return 6; }
    };
    CHECK(from_memory(Window{six.data()}, {2}).sample(0) != six.data());
    std::vector<float> const constant = six;
    CHECK(from_memory(std::move(constant), {2}).sample(0) != constant.data());
    CHECK(values_of<float>(from_memory(std::array<float, 4>{1, 2, 3, 4}, {2}), 1) == std::vector<float>{3, 4});
    auto const can_be_viewed = [](auto&& x) { return requires { view(static_cast<decltype(x)>(x)); }; };
    std::vector<float> vector;
    CHECK(can_be_viewed(vector));
    CHECK_FALSE(can_be_viewed(std::vector<float>()));  // it would be gone
}

TEST_CASE("a moved vector is taken over and lives as long as any copy") {
    Dataset kept;
    {
        std::vector<float> samples = six;
        float const* const first = samples.data();
        Dataset const data = from_memory(std::move(samples), {1, 1, 2});
        CHECK(data.sample(0) == first);
        kept = data.first(2);
    }
    CHECK(values_of<float>(kept, 1) == std::vector<float>{2, 3});
    CHECK(kept.classes() == 0);
    CHECK(kept.labels().empty());
}

TEST_CASE("Eigen matrices and maps: rows are samples") {
    using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    Matrix matrix(3, 2);
    matrix << 1, 2, 3, 4, 5, 6;
    Eigen::VectorXi labels(3);
    labels << 2, 1, 0;
    Dataset const data = from_memory(matrix, {2, 1, 1}, labels, 3);
    CHECK(data.sample(0) != matrix.data());
    CHECK(values_of<double>(data, 2) == std::vector<double>{5, 6});
    CHECK(data.labels()[0] == 2);
    CHECK(from_memory(view(matrix), {2}).sample(0) == matrix.data());
    Eigen::Map<Matrix const> const map(matrix.data(), 3, 2);
    CHECK(from_memory(map, {1, 2, 1}).sample(1) != matrix.data() + 2);
    CHECK(from_memory(view(map), {1, 2, 1}).sample(1) == matrix.data() + 2);
    Matrix doubled = 2 * matrix;
    double const* const place = doubled.data();
    Dataset const owned = from_memory(std::move(doubled), {1, 1, 2});
    CHECK(owned.sample(0) == place);
    CHECK(values_of<double>(owned, 2) == std::vector<double>{10, 12});

    // Whatever the layout, rows are samples.
    Eigen::MatrixXd const by_columns = matrix;
    CHECK(values_of<double>(from_memory(by_columns, {2}), 1) == std::vector<double>{3, 4});
    CHECK(values_of<double>(from_memory(Eigen::MatrixXd(by_columns), {2}), 1) == std::vector<double>{3, 4});
    CHECK(values_of<double>(from_memory(by_columns.bottomRows(2), {2}), 0) == std::vector<double>{3, 4});
    CHECK(values_of<double>(from_memory(matrix.bottomRows(2), {2}), 1) == std::vector<double>{5, 6});
    CHECK(values_of<double>(from_memory(matrix.leftCols(1), {1}), 2) == std::vector<double>{5});
    CHECK(values_of<double>(from_memory(matrix.col(1), {1}), 2) == std::vector<double>{6});
    CHECK(from_memory(by_columns, {2}, labels.reverse().eval(), 3).labels()[2] == 2);

    Eigen::VectorXd targets(3);
    targets << 0.5, 1.5, 2.5;
    Dataset const regression = from_memory(matrix, {2, 1, 1}, targets, 1);
    CHECK(*static_cast<double const*>(regression.target(2)) == 2.5);

    contains(error_of([&] { from_memory(matrix, {3, 1, 1}); }), "the matrix has 2 columns");
    contains(error_of([&] { from_memory(matrix, {2, 1, 1}, matrix, 1); }),
             "matrix of targets has 2 columns, expected 1");
    contains(error_of([&] { from_memory(view(by_columns), {2}); }), "do not lie one behind the other in memory");
    contains(error_of([&] { from_memory(view(matrix.leftCols(1)), {1}); }), "without view it is copied");
}

TEST_CASE("labels of any integer type are copied and checked") {
    std::vector<float> const samples{1, 2, 3};
    auto const with_labels = [&](auto labels) {
        Dataset const data = from_memory(samples, {}, labels, 10);
        labels.front() = {};
        CHECK(std::vector<int>(data.labels().begin(), data.labels().end()) == std::vector<int>{9, 0, 5});
    };
    with_labels(std::vector<std::uint8_t>{9, 0, 5});
    with_labels(std::vector<std::int32_t>{9, 0, 5});
    with_labels(std::vector<std::int64_t>{9, 0, 5});
    with_labels(std::vector<std::int8_t>{9, 0, 5});
    with_labels(std::vector<std::uint16_t>{9, 0, 5});
    with_labels(std::vector<std::size_t>{9, 0, 5});
    with_labels(std::vector<unsigned long long>{9, 0, 5});
    with_labels(std::array<long, 3>{9, 0, 5});
    with_labels(std::deque<long long>{9, 0, 5});
    auto const two_classes = [&](auto const& labels) {
        Dataset const data = from_memory(samples, {}, labels, 2);
        CHECK(std::vector<int>(data.labels().begin(), data.labels().end()) == std::vector<int>{1, 0, 1});
    };
    two_classes(std::vector<bool>{true, false, true});
    two_classes(std::array<bool, 3>{true, false, true});
    contains(error_of([&] { from_memory(samples, {}, std::vector<bool>{false, true, false}, 1); }),
             "label 1 of sample 1 is not in 0 to 0");
    contains(error_of([&] { from_memory(samples, {}, std::vector<std::size_t>{0, 0, std::size_t(-1)}, 10); }),
             "label 18446744073709551615 of sample 2 is larger than any class");
    contains(error_of([&] { from_memory(samples, {}, std::vector<std::size_t>{0, std::size_t{1} << 32, 0}, 10); }),
             "label 4294967296 of sample 1 is not in 0 to 9");
    contains(error_of([&] { from_memory(samples, {}, std::vector<int>{0, 10, 0}, 10); }),
             "label 10 of sample 1 is not in 0 to 9 (10 classes)");
    contains(error_of([&] { from_memory(samples, {}, std::vector<int>{0, 0, -1}, 10); }), "label -1 of sample 2");
    // Would be 0 if it were cut to 32 bits before the check.
    contains(error_of([&] { from_memory(samples, {}, std::vector<std::int64_t>{0, std::int64_t{1} << 32, 0}, 10); }),
             "label 4294967296 of sample 1");
}

TEST_CASE("counts and shapes that do not fit are refused") {
    std::vector<int> const two{0, 1};
    contains(error_of([&] { from_memory(six, {1, 1, 2}, two, 2); }), "got 2 labels for 3 samples");
    contains(error_of([&] { from_memory(six, {1, 2, 2}); }),
             "6 values are not a whole number of samples of 1 x 2 x 2 = 4");
    contains(error_of([&] { from_memory(std::vector<float>(), {1, 1, 1}); }), "empty");
    contains(error_of([&] { from_memory(six, {0, 1, 1}); }), "positive");
    contains(error_of([&] { from_memory(six, {-3, 1, -2}); }), "positive");
    int const most = std::numeric_limits<int>::max();
    contains(error_of([&] { from_memory(six, {most, most, most}); }), "larger than any memory");
    contains(error_of([&] { from_memory(six, {1, 1, 2}, std::vector<int>{0, 0, 0}, 0); }), "number of classes is 0");
    contains(error_of([&] { from_memory(six, {1, 1, 2}, six, 3); }),
             "got 6 target values for 3 samples with 3 outputs");
    contains(error_of([&] { from_memory(six, {1, 1, 2}, six, 0); }), "number of outputs is 0");
    contains(error_of([&] { static_cast<void>(Dataset().with(RandomCrop{})); }), "empty");
}

TEST_CASE("targets") {
    std::vector<float> const targets{10, 11, 20, 21, 30, 31};
    Dataset const data = from_memory(six, {1, 1, 2}, targets, 2);
    CHECK(data.outputs() == 2);
    CHECK(data.target_type() == DataType::float32);
    CHECK(static_cast<float const*>(data.target(1))[1] == 21);
    CHECK(data.target(1) != targets.data() + 2);
    Dataset const viewed = from_memory(six, {1, 1, 2}, view(targets), 2);
    CHECK(viewed.target(1) == targets.data() + 2);
    CHECK(viewed.subset({2, 0}).target(0) == targets.data() + 4);
    CHECK(from_memory(six, {1, 1, 2}).target(0) == nullptr);
}

TEST_CASE("first and subset share the samples and keep labels in step") {
    std::vector<int> const labels{0, 1, 2};
    Dataset const data = from_memory(view(six), {1, 1, 2}, labels, 3).with_class_names({"a", "b", "c"});
    Dataset const subset = data.subset({2, 0, 2}), nested = subset.subset({1, 2}), first = nested.first(1);
    CHECK(subset.sample(0) == six.data() + 4);
    CHECK(std::vector<int>(subset.labels().begin(), subset.labels().end()) == std::vector<int>{2, 0, 2});
    CHECK(nested.sample(0) == six.data());
    CHECK(std::vector<int>(nested.labels().begin(), nested.labels().end()) == std::vector<int>{0, 2});
    CHECK(first.size() == 1);
    CHECK(first.labels().size() == 1);
    CHECK(first.class_names()[2] == "c");
    contains(error_of([&] { static_cast<void>(data.first(0)); }), "asked for 0 samples of a dataset with 3");
    contains(error_of([&] { static_cast<void>(data.first(4)); }), "asked for 4");
    contains(error_of([&] { static_cast<void>(data.subset({0, 3})); }), "index 3 is not below 3");
    contains(error_of([&] { static_cast<void>(data.subset({})); }), "no indices");
    contains(error_of([&] { static_cast<void>(data.with_class_names({"a"})); }), "1 names for 3 classes");
}

TEST_CASE("with adds transforms to a copy") {
    Dataset const data = from_memory(six, {1, 1, 2});
    Dataset const flipped = data.with(RandomHorizontalFlip{.probability = 1});
    Dataset const twice = flipped.with(RandomHorizontalFlip{.probability = 1});
    std::array<float, 2> sample{};
    data.load(1, std::as_writable_bytes(std::span(sample)), 0, 0);
    CHECK(sample == std::array<float, 2>{2, 3});
    flipped.load(1, std::as_writable_bytes(std::span(sample)), 0, 0);
    CHECK(sample == std::array<float, 2>{3, 2});
    twice.load(1, std::as_writable_bytes(std::span(sample)), 0, 0);
    CHECK(sample == std::array<float, 2>{2, 3});
}

TEST_CASE("a user's transform sees floats") {
    auto const negate = [](std::span<float> x, SampleShape shape, Random&) {
        CHECK(shape == SampleShape{1, 1, 2});
        for (auto& value : x) value = -value;
    };
    std::array<float, 2> sample{};
    Dataset const bytes = from_memory(std::vector<std::uint8_t>{0, 51, 255, 1}, {1, 1, 2}).with(negate);
    bytes.load(0, std::as_writable_bytes(std::span(sample)), 0, 0);
    CHECK(sample == std::array<float, 2>{-0.0f, -51.0f / 255.0f});
    bytes.load(1, std::as_writable_bytes(std::span(sample)), 0, 0);
    CHECK(sample == std::array<float, 2>{-1.0f, -1.0f / 255.0f});
    Dataset const doubles = from_memory(std::vector<double>{0.1, 2}, {1, 1, 2}).with(negate);
    doubles.load(0, std::as_writable_bytes(std::span(sample)), 0, 0);
    CHECK(sample == std::array<float, 2>{-0.1f, -2.0f});
}

TEST_CASE("input is a sample as the network gets it") {
    std::vector<std::uint8_t> const bytes{0, 51, 102, 153, 204, 255, 10, 20, 30, 40, 50, 60};
    auto const data = from_memory(bytes, {2, 1, 3});
    auto const plain = data.input(0);
    for (std::size_t k = 0; k < 6; ++k) CHECK(plain[k] == doctest::Approx(static_cast<double>(k) / 5));
    auto const normalised = data.with(Normalize{{0.5, 0.2}, {0.5, 0.1}}).input(1);
    for (std::size_t k = 0; k < 6; ++k)
        CHECK(normalised[k] == doctest::Approx((bytes[6 + k] / 255.0 - (k < 3 ? 0.5 : 0.2)) / (k < 3 ? 0.5 : 0.1)));
    auto const negate = [](std::span<float> sample, SampleShape, Random&) {
        for (float& v : sample) v = -v;
    };
    CHECK(data.with(negate).input(0)[5] == -1.0f);
    std::vector<double> const doubles{0.25, 0.5, 0.75};
    CHECK(from_memory(doubles, {1, 1, 3}).input(0) == std::vector<float>{0.25f, 0.5f, 0.75f});
    CHECK(error_of([&] { static_cast<void>(data.input(2)); }) ==
          "input: index 2 is not below 2, the number of samples");
}

TEST_CASE("randomness depends on seed, epoch and index alone") {
    Dataset const data =
        from_memory(std::vector<float>(64, 0.0f), {1, 1, 1}).with([](std::span<float> x, SampleShape, Random& r) {
            x[0] = static_cast<float>(r.uniform());
        });
    auto const draw = [&](std::size_t index, std::uint64_t seed, std::uint32_t epoch) {
        float value = 0;
        data.load(index, std::as_writable_bytes(std::span(&value, 1)), seed, epoch);
        return value;
    };
    CHECK(draw(3, 1, 2) == draw(3, 1, 2));
    CHECK(draw(3, 1, 2) != draw(4, 1, 2));
    CHECK(draw(3, 1, 2) != draw(3, 2, 2));
    CHECK(draw(3, 1, 2) != draw(3, 1, 3));
}
