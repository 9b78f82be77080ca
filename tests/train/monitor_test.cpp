// EarlyStopping and KeepBest: on histories made by hand, in fit, and across a pause.
#include "small_training.hpp"

using namespace strata;

namespace {

History history_of(std::initializer_list<double> test_losses) {
    History history;
    for (double const loss : test_losses) {
        EpochRecord record;
        record.epoch = static_cast<std::int64_t>(history.size()) + 1;
        record.test_loss = loss;
        record.test_accuracy = 1 - loss;
        history.push_back(record);
    }
    return history;
}
auto new_trainer() { return train<SmallLeNet>(Cpu{.threads = 1}, Seed{3}, SGD{.learning_rate = 0.1, .momentum = 0.9}); }
FitOptions options_of(int epochs) {
    FitOptions options{.epochs = epochs, .batch_size = 20};
    options.progress = ProgressStyle::none;
    return options;
}

}  // namespace

TEST_CASE("the best epoch of a history") {
    double const nan = std::nan("");
    auto const check = [](History const& history, std::int64_t epoch, int since, double min_delta = 0) {
        detail::BestEpoch const by_loss(history, Monitor::test_loss, min_delta);
        detail::BestEpoch const by_accuracy(history, Monitor::test_accuracy, min_delta);
        CHECK(by_loss.epoch == epoch);
        CHECK(by_loss.since == since);
        CHECK(by_accuracy.epoch == epoch);
        CHECK(by_accuracy.since == since);
    };
    check({}, 0, 0);
    check(history_of({0.5}), 1, 0);
    check(history_of({0.5, 0.5, 0.25, 0.375}), 3, 1);
    // What is no better by more than min_delta is not better.
    check(history_of({0.5, 0.375, 0.25}), 3, 0, 0.125);
    check(history_of({0.5, 0.375}), 1, 1, 0.125);
    // Before there is one, there is nothing to be worse than: epochs without test data, say.
    check(history_of({nan, nan}), 0, 0);
    check(history_of({nan, nan, 0.5, 0.75}), 3, 1);
    check(history_of({nan, 0.5, nan}), 2, 1);
}

TEST_CASE("fit ends where epochs have become no better, and keeps the best weights") {
    TemporaryDirectory const directory;
    // Few images, learnt by heart: the loss on others falls, and then rises.
    auto const data = small_images(60), tests = small_images(60, 2);
    auto options = options_of(100);
    options.early_stopping = {.patience = 4};
    options.keep_best = {.file = directory / "best"};
    auto trainer = new_trainer();
    std::vector<float> best;
    double least = HUGE_VAL;
    options.on_epoch = [&](EpochRecord const& record) {
        if (!(record.test_loss < least)) return;
        least = record.test_loss;
        best.assign(trainer.model().parameters().begin(), trainer.model().parameters().end());
    };
    History const history = trainer.fit(data, tests, options);
    REQUIRE(history.size() > 5);
    REQUIRE(history.size() < 100);
    CHECK(history[history.size() - 5].test_loss == least);
    auto const kept = load<SmallLeNet>(directory / "best");
    CHECK(std::equal(best.begin(), best.end(), kept.parameters().begin()));
    CHECK(!std::equal(best.begin(), best.end(), trainer.model().parameters().begin()));

    // It has ended: nothing is trained, unless it is asked to be more patient.
    auto const step = trainer.state().step;
    trainer.fit(data, tests, options);
    CHECK(trainer.state().step == step);

    // With a pause at any epoch it ends at the same one, with the same files.
    auto paused = options;
    paused.on_epoch = nullptr;
    paused.epochs = static_cast<int>(history.size()) - 2;
    paused.keep_best.file = directory / "best of two";
    auto first = new_trainer(), second = new_trainer();
    first.fit(data, tests, paused);
    first.save_checkpoint(directory / "checkpoint");
    paused.epochs = 100;
    second.load_checkpoint(directory / "checkpoint");
    CHECK(second.fit(data, tests, paused).size() == history.size());
    auto const again = load<SmallLeNet>(directory / "best of two");
    CHECK(std::equal(best.begin(), best.end(), again.parameters().begin()));
}

TEST_CASE("epochs before there were test data do not count, and what a callback loads may have ended") {
    TemporaryDirectory const directory;
    auto const data = small_images(60), tests = small_images(60, 2);
    auto late = new_trainer();
    late.fit(data, options_of(3));
    auto options = options_of(5);
    options.early_stopping = {.patience = 2};
    CHECK(late.fit(data, tests, options).size() == 5);

    options = options_of(100);
    options.early_stopping = {.patience = 4};
    options.checkpoint = directory / "checkpoint";
    auto trainer = new_trainer();
    auto const epochs = trainer.fit(data, tests, options).size();
    REQUIRE(epochs < 100);
    options.checkpoint = "";
    auto other = new_trainer();
    options.on_step = [&](StepEvent const& event) {
        if (event.step == 2) other.load_checkpoint(directory / "checkpoint");
    };
    CHECK(other.fit(data, tests, options).size() == epochs);
    CHECK(same_bits<float>(other.model().parameters(), trainer.model().parameters()));
}

TEST_CASE("what cannot be looked at, or written") {
    auto const data = small_images(20);
    auto trainer = new_trainer();
    auto const error = [&](auto const& change) {
        auto options = options_of(1);
        change(options);
        return error_of([&] { trainer.fit(data, options); });
    };
    CHECK(error([](FitOptions& options) { options.early_stopping.patience = 3; }) ==
          "fit: early_stopping looks at the test loss, but fit has no test data");
    CHECK(error([](FitOptions& options) { options.keep_best.file = "best"; }) ==
          "fit: keep_best looks at the test loss, but fit has no test data");
    CHECK(error([](FitOptions& options) { options.early_stopping.patience = -1; }) ==
          "fit: early_stopping.patience is -1, expected at least 0");
    CHECK(error([](FitOptions& options) { options.early_stopping.min_delta = std::nan(""); }) ==
          "fit: early_stopping.min_delta is nan, expected at least 0");
    CHECK(error([](FitOptions& options) { options.checkpoint = options.keep_best.file = "both"; }) ==
          "fit: keep_best.file and checkpoint are both both");
    CHECK(error([](FitOptions& options) {
              options.keep_best = {.file = "/nowhere/best", .monitor = Monitor::train_loss};
          }).find("/nowhere/best") != std::string::npos);
    CHECK(trainer.state().step == 0);
    using Line = Network<Input<2>, Linear<1>>;
    auto regression = train<Line>(MSE{});
    auto options = options_of(1);
    options.early_stopping = {.patience = 1, .monitor = Monitor::train_accuracy};
    std::vector<float> const x{1, 2, 3, 4}, y{1, 2};
    CHECK(error_of([&] { regression.fit(from_memory(x, {2}, y, 1), options); }) ==
          "fit: early_stopping looks at the train accuracy, but this loss has no classes");
}

TEST_CASE("the learning rate falls where the loss does not") {
    // By torch 2.15's ReduceLROnPlateau.
    std::vector<double> const losses{1,    0.9,  0.95, 0.91, 0.9,  0.89995, 0.8,  0.85, 0.85,
                                     0.85, 0.85, 0.85, 0.7,  0.71, 0.72,    0.73, 0.74, 0.75};
    auto const check = [&](ReduceLROnPlateau const& schedule, std::initializer_list<double> expected) {
        std::size_t epochs = 0;
        for (double const rate : expected) {
            SchedulePosition const position{.losses = {losses.data(), epochs++}};
            CHECK(schedule(0.1, position).learning_rate == rate);
        }
    };
    check({.factor = 0.5, .patience = 1}, {0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125, 0.0125, 0.00625,
                                           0.00625, 0.00625, 0.00625, 0.003125, 0.003125, 0.0015625, 0.0015625});
    check({.factor = 0.5, .patience = 1, .cooldown = 2},
          {0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025, 0.025, 0.025, 0.0125, 0.0125,
           0.0125, 0.0125});
    check({.factor = 0.1, .patience = 0, .min_learning_rate = 2e-3},
          {0.1, 0.1, 0.1, 0.010000000000000002, 0.002, 0.002, 0.002, 0.002});
    check({.factor = 0.5, .patience = 2, .threshold = 0.05},
          {0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025, 0.025, 0.025, 0.0125});
    CHECK_THROWS_AS(static_cast<void>(ReduceLROnPlateau{.factor = 1}(0.1, {})), Error);
    CHECK_THROWS_AS(static_cast<void>(ReduceLROnPlateau{.patience = -1}(0.1, {})), Error);

    // In fit, across a pause: a rate of 0.3 does not learn at all here, and falls.
    TemporaryDirectory const directory;
    auto const data = small_images(60), tests = small_images(60, 2);
    auto const fresh = [] {
        return train<SmallLeNet>(Cpu{.threads = 1}, SGD{.learning_rate = 0.3, .momentum = 0.9},
                                 ReduceLROnPlateau{.factor = 0.5, .patience = 0});
    };
    auto whole = fresh(), first = fresh(), second = fresh();
    History const history = whole.fit(data, tests, options_of(6));
    CHECK(history.back().learning_rate < 0.3);
    first.fit(data, tests, options_of(3));
    first.save_checkpoint(directory / "checkpoint");
    second.load_checkpoint(directory / "checkpoint");
    History const resumed = second.fit(data, tests, options_of(6));
    for (std::size_t k = 0; k < history.size(); ++k) {
        CHECK(resumed[k].learning_rate == history[k].learning_rate);
        CHECK(resumed[k].test_loss == history[k].test_loss);
    }
}
