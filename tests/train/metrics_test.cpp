// labels: libcxx
// The confusion matrix against values by hand, and the history's way through text and back.
#include "strata/train/metrics.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <clocale>
#include <cmath>
#include <tuple>

using namespace strata;

namespace {

template <class Function>
std::string message_of(Function function) {
    try {
        function();
    } catch (Error const& error) { return error.what(); }
    return "no error";
}

// Three classes: [truth][predicted] = {2 1 0; 0 3 0; 1 0 0}; nobody predicts class 2.
ConfusionMatrix three_classes() {
    ConfusionMatrix matrix(3);
    matrix.add(0, 0);
    matrix.add(0, 0);
    matrix.add(0, 1);
    for (int i = 0; i < 3; ++i) matrix.add(1, 1);
    matrix.add(2, 0);
    return matrix;
}

bool same_bits(double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) || (std::isnan(a) && std::isnan(b));
}

bool same(EpochRecord const& a, EpochRecord const& b) {
    return a.epoch == b.epoch && a.step == b.step && same_bits(a.learning_rate, b.learning_rate) &&
           same_bits(a.train_loss, b.train_loss) && same_bits(a.train_accuracy, b.train_accuracy) &&
           same_bits(a.test_loss, b.test_loss) && same_bits(a.test_accuracy, b.test_accuracy) &&
           same_bits(a.seconds, b.seconds) && same_bits(a.images_per_second, b.images_per_second);
}

EpochRecord awkward_record() {
    return {.epoch = 2,
            .step = std::numeric_limits<std::int64_t>::max(),
            .learning_rate = 0.1 + 0.2,
            .train_loss = std::numeric_limits<double>::denorm_min(),
            .train_accuracy = 1.0 / 3,
            .test_loss = std::numeric_limits<double>::infinity(),
            .test_accuracy = -0.0,
            .seconds = -1.7976931348623157e308,
            .images_per_second = std::nan("")};
}

}  // namespace

TEST_CASE("ConfusionMatrix counts") {
    auto const matrix = three_classes();
    CHECK(matrix.total() == 7);
    CHECK(matrix.correct() == 5);
    CHECK(matrix.accuracy() == 5.0 / 7);
    CHECK(matrix.count(0, 1) == 1);
    CHECK(matrix.count(1, 0) == 0);
    CHECK(matrix.support(0) == 3);
    CHECK(matrix.predictions(0) == 3);
    CHECK(matrix.predictions(1) == 4);
    CHECK(matrix.precision(0) == 2.0 / 3);
    CHECK(matrix.precision(1) == 3.0 / 4);
    CHECK(matrix.recall(0) == 2.0 / 3);
    CHECK(matrix.recall(1) == 1);
    CHECK(matrix.f1(1) == 6.0 / 7);
}

TEST_CASE("ConfusionMatrix gives 0 for 0 / 0") {
    auto const matrix = three_classes();
    CHECK(matrix.precision(2) == 0);
    CHECK(matrix.f1(2) == 0);
    CHECK(ConfusionMatrix(2).accuracy() == 0);
    CHECK(ConfusionMatrix(2).f1(0) == 0);
}

TEST_CASE("ConfusionMatrix merges") {
    auto a = three_classes();
    ConfusionMatrix b(3);
    b.add(2, 2);
    a.merge(b);
    CHECK(a.total() == 8);
    CHECK(a.count(2, 2) == 1);
    b.merge(three_classes());
    CHECK(a == b);
    CHECK(message_of([&] { a.merge(ConfusionMatrix(4)); }) == "ConfusionMatrix: cannot merge 4 classes into 3");
}

TEST_CASE("ConfusionMatrix refuses classes that do not exist") {
    ConfusionMatrix matrix(3);
    CHECK(message_of([&] { matrix.add(3, 0); }) ==
          "ConfusionMatrix: got truth 3 and prediction 0, expected classes from 0 to 2");
    CHECK(message_of([&] { matrix.add(0, -1); }) ==
          "ConfusionMatrix: got truth 0 and prediction -1, expected classes from 0 to 2");
    CHECK(message_of([&] { matrix.add(-1, 0); }) != "no error");
    CHECK(message_of([&] { matrix.add(0, 3); }) != "no error");
    CHECK(matrix.total() == 0);
    CHECK(message_of([] { ConfusionMatrix(0); }) == "ConfusionMatrix: the number of classes is 0, expected at least 1");
}

TEST_CASE("ConfusionMatrix prints the per-class table") {
    CHECK(three_classes().table({"cat", "dog", "an ostrich"}) ==
          "class       precision   recall       F1   support\n"
          "cat           66.67 %  66.67 %  66.67 %         3\n"
          "dog           75.00 % 100.00 %  85.71 %         3\n"
          "an ostrich     0.00 %   0.00 %   0.00 %         1\n"
          "mean          47.22 %  55.56 %  50.79 %         7\n"
          "accuracy      71.43 % (5/7)\n");
    CHECK(three_classes().table().find("\n1           75.00 %") != std::string::npos);
    CHECK(message_of([] { (void)three_classes().table({"cat"}); }) ==
          "ConfusionMatrix: got 1 class names for 3 classes");
}

TEST_CASE("History survives its text to the bit, in any locale") {
    History const history{{.epoch = 1, .step = 100, .learning_rate = 1e-3, .train_loss = 2.3}, awkward_record()};
    auto const text = to_text(history);
    // A comma as decimal point must change nothing; where the locale is not installed this only repeats the check.
    std::setlocale(LC_ALL, "de_DE.UTF-8");
    CHECK(to_text(history) == text);
    auto const restored = history_from_text(text);
    std::setlocale(LC_ALL, "C");
    REQUIRE(restored.size() == 2);
    CHECK(same(restored[0], history[0]));
    CHECK(same(restored[1], history[1]));
    CHECK(history_from_text(to_text({})).empty());
}

TEST_CASE("Numbers are read alike by every standard library") {
    auto const read = [](std::string_view text) {
        double value = -1;
        auto const [end, error] = detail::read_number(text.data(), text.data() + text.size(), value);
        return std::tuple(error, end - text.data(), value);
    };
    CHECK(read("0.1") == std::tuple(std::errc{}, 3, 0.1));
    CHECK(read("-2.5e-3 7") == std::tuple(std::errc{}, 7, -2.5e-3));
    CHECK(read("4.9406564584124654e-324") == std::tuple(std::errc{}, 23, 4.9406564584124654e-324));
    CHECK(read("inf") == std::tuple(std::errc{}, 3, HUGE_VAL));
    CHECK(read("1,5") == std::tuple(std::errc{}, 1, 1.0));
    CHECK(read("0x10") == std::tuple(std::errc{}, 1, 0.0));
    CHECK(read("1e999") == std::tuple(std::errc::result_out_of_range, 5, -1.0));
    for (std::string_view const none : {"", " 1", "+1", "x", "-"})
        CHECK(read(none) == std::tuple(std::errc::invalid_argument, 0, -1.0));
}

TEST_CASE("A history that is torn or foreign is refused") {
    auto const text = to_text({awkward_record(), awkward_record()});
    auto const header = to_text({}).size();
    auto const line = (text.size() - header) / 2;
    for (std::size_t n = 0; n < text.size(); ++n) {
        CAPTURE(n);
        bool const whole = n == header || n == header + line;
        CHECK((message_of([&] { history_from_text(text.substr(0, n)); }) == "no error") == whole);
    }
    auto const head = to_text({});
    CHECK(message_of([&] { history_from_text("{}"); }) == "history: line 1 is not the expected column names");
    CHECK(message_of([&] { history_from_text(head + "1 2 3 4 5 6 7 8 9"); }) == "history: line 2 is cut off");
    CHECK(message_of([&] { history_from_text(head + "1 2 3 4 5 6 7 8\n"); }) ==
          "history: line 2 has no valid images_per_second");
    CHECK(message_of([&] { history_from_text(head + "1 2 3 4 5 6 7 8 9 10\n"); }) ==
          "history: line 2 goes on after its nine values");
    CHECK(message_of([&] { history_from_text(head + "1 2 3 4 x 6 7 8 9\n"); }) ==
          "history: line 2 has no valid train_accuracy");
    CHECK(message_of([&] { history_from_text(head + "1.5 2 3 4 5 6 7 8 9\n"); }) ==
          "history: line 2 has no valid epoch");
    CHECK(message_of([&] { history_from_text(head + "1 2 3 4 5 6 7 8 1e999\n"); }) ==
          "history: line 2 has no valid images_per_second");
}
