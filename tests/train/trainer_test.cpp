// What Trainer does with its policies: one step against arithmetic by hand, schedules, callbacks, fit, evaluate,
// predict.
#include <sys/wait.h>
#include <unistd.h>

#include "small_training.hpp"

using namespace strata;

namespace {

using Classifier = Network<Input<3>, Linear<4>>;

/// Learning rate and momentum by a formula, and a record of where it was asked.
struct Probe {
    using policy = SchedulePolicy;
    std::vector<SchedulePosition>* asked;
    ScheduleValue operator()(double base, SchedulePosition const& position) const {
        asked->push_back(position);
        auto const step = static_cast<double>(position.step);
        return {base / (1 + step), 0.25 * step};
    }
};

/// A sample's values and its class, for hand computation.
struct Points {
    std::vector<float> x;
    std::vector<std::int32_t> label;
    explicit Points(int count) {
        Random random(3, Purpose::user);
        for (int i = 0; i < count; ++i) {
            label.push_back(static_cast<std::int32_t>(random.below(4)));
            for (int k = 0; k < 3; ++k) x.push_back(static_cast<float>(random.normal() + (k == label.back() ? 2 : 0)));
        }
    }
    Dataset dataset() const { return from_memory(x, {1, 1, 3}, label, 4); }
};

/// Softmax regression in double: weight [4][3] and bias [4] as one array, SGD with momentum.
struct ByHand {
    std::vector<double> w, momentum = std::vector<double>(16), gradient;
    double loss = 0;
    int correct = 0;

    explicit ByHand(std::span<float const> start) : w(start.begin(), start.end()) {}
    std::array<double, 4> logits(float const* x) const {
        std::array<double, 4> z{};
        for (std::size_t o = 0; o < 4; ++o) {
            z[o] = w[12 + o];
            for (std::size_t i = 0; i < 3; ++i) z[o] += w[o * 3 + i] * static_cast<double>(x[i]);
        }
        return z;
    }
    void measure(Points const& points) {
        gradient.assign(16, 0);
        loss = 0;
        correct = 0;
        auto const n = static_cast<double>(points.label.size());
        for (std::size_t s = 0; s < points.label.size(); ++s) {
            float const* const x = points.x.data() + s * 3;
            auto const z = logits(x);
            auto const label = static_cast<std::size_t>(points.label[s]);
            double total = 0;
            for (double const v : z) total += std::exp(v);
            loss += (std::log(total) - z[label]) / n;
            correct += std::max_element(z.begin(), z.end()) - z.begin() == points.label[s] ? 1 : 0;
            for (std::size_t o = 0; o < 4; ++o) {
                double const dz = (std::exp(z[o]) / total - (o == label ? 1 : 0)) / n;
                for (std::size_t i = 0; i < 3; ++i) gradient[o * 3 + i] += dz * static_cast<double>(x[i]);
                gradient[12 + o] += dz;
            }
        }
    }
    void update(double rate, double m) {
        for (std::size_t p = 0; p < 16; ++p) {
            momentum[p] = m * momentum[p] + gradient[p];
            w[p] -= rate * momentum[p];
        }
    }
};

FitOptions quiet(int epochs, int batch_size) {
    FitOptions options;
    options.epochs = epochs;
    options.batch_size = batch_size;
    options.progress = ProgressStyle::none;
    return options;
}

}  // namespace

TEST_CASE("train_step is gradient and update, with the schedule's learning rate and momentum") {
    Points const points(37);
    std::vector<SchedulePosition> asked;
    auto trainer =
        train<Classifier>(Cpu{.threads = 2}, Probe{&asked}, SGD{.learning_rate = 0.5, .momentum = 0.9}, Seed{4});
    ByHand hand(trainer.model().parameters());
    for (int step = 0; step < 4; ++step) {
        hand.measure(points);
        StepResult const result = trainer.train_step(points.x, points.label);
        // Float32 arithmetic against double: sums of 37 terms of order one.
        CHECK(result.loss == doctest::Approx(hand.loss).epsilon(1e-6));
        CHECK(result.correct == hand.correct);
        CHECK(result.samples == 37);
        CHECK(result.finite);
        for (std::size_t p = 0; p < 16; ++p)
            CHECK(std::abs(static_cast<double>(trainer.executor().gradient()[p]) - hand.gradient[p]) < 1e-6);
        hand.update(0.5 / (1 + step), 0.25 * step);
        CHECK(trainer.learning_rate() == 0.5 / (1 + step));
        for (std::size_t p = 0; p < 16; ++p)
            CHECK(std::abs(static_cast<double>(trainer.model().parameters()[p]) - hand.w[p]) < 2e-6);
    }
    CHECK(trainer.state().step == 4);
    CHECK(trainer.state().updates == 4);
    REQUIRE(asked.size() == 4);
    CHECK(asked[3].step == 3);
}

TEST_CASE("one's own loop says where schedules stand") {
    Points const points(5);
    std::vector<SchedulePosition> asked;
    auto trainer = train<Classifier>(Probe{&asked});
    trainer.position() = {.epoch = 3, .steps_per_epoch = 10, .total_steps = 100};
    trainer.train_step(points.x, points.label);
    CHECK(asked[0].epoch == 3);
    CHECK(asked[0].steps_per_epoch == 10);
    CHECK(asked[0].total_steps == 100);
}

TEST_CASE("fit tells schedules epoch and steps, and calls back in order") {
    Points const points(10);
    std::vector<SchedulePosition> asked;
    auto trainer = train<Classifier>(Probe{&asked}, SGD{.learning_rate = 0.5});
    std::string order;
    FitOptions options = quiet(2, 4);
    options.on_step = [&](StepEvent const& event) {
        order += 's';
        CHECK(event.step == static_cast<std::int64_t>(asked.size()));
        CHECK(event.epoch == (event.step - 1) / 3);
        CHECK(event.result.samples == (event.step % 3 == 0 ? 2 : 4));
        CHECK(event.learning_rate == 0.5 / static_cast<double>(event.step));
    };
    options.on_epoch = [&](EpochRecord const& record) {
        order += 'e';
        CHECK(record.epoch == record.step / 3);
        CHECK(record.learning_rate == 0.5 / static_cast<double>(record.step));
        CHECK(std::isfinite(record.test_loss));
        CHECK(record.seconds > 0);
    };
    History const history = trainer.fit(points.dataset(), points.dataset(), options);
    CHECK(order == "sssessse");
    REQUIRE(asked.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(asked[i].step == static_cast<std::int64_t>(i));
        CHECK(asked[i].epoch == static_cast<std::int64_t>(i / 3));
        CHECK(asked[i].steps_per_epoch == 3);
        CHECK(asked[i].total_steps == 6);
    }
    CHECK(history.size() == 2);

    // Epochs count from the start of the training: there is nothing left to do, then one more.
    static_assert(requires { trainer.fit(points.dataset(), {}); });  // options
    CHECK(trainer.fit(points.dataset(), quiet(2, 4)).size() == 2);
    CHECK(trainer.state().step == 6);
    History const more = trainer.fit(points.dataset(), quiet(3, 4));
    CHECK(more.size() == 3);
    CHECK(std::isnan(more[2].test_loss));
    CHECK(trainer.state().step == 9);
}

TEST_CASE("drop_last leaves the last batch out") {
    Points const points(10);
    auto trainer = train<Classifier>();
    FitOptions options = quiet(2, 4);
    options.drop_last = true;
    options.on_step = [](StepEvent const& event) { CHECK(event.result.samples == 4); };
    trainer.fit(points.dataset(), options);
    CHECK(trainer.state().step == 4);
    options.batch_size = 11;
    options.epochs = 3;
    CHECK_CONTAINS(error_of([&] { trainer.fit(points.dataset(), options); }), "drop_last leaves nothing");
}

TEST_CASE("the training record is the mean over the epoch's samples") {
    Points const points(10);
    auto trainer = train<Classifier>(SGD{.learning_rate = 0.1});
    double loss = 0;
    std::int64_t correct = 0;
    FitOptions options = quiet(1, 4);
    options.on_step = [&](StepEvent const& event) {
        loss += event.result.loss * event.result.samples;
        correct += event.result.correct;
    };
    EpochRecord const record = trainer.fit(points.dataset(), options)[0];
    CHECK(record.train_loss == loss / 10);
    CHECK(record.train_accuracy == static_cast<double>(correct) / 10);
}

TEST_CASE("exceptions of callbacks and transforms reach the caller, and training goes on where it stood") {
    Points const points(22);
    TemporaryDirectory const directory;
    struct Mine {
        int value;
    };
    bool failing = false;
    auto const data = points.dataset().with([&failing](std::span<float> x, SampleShape, Random& random) {
        x[0] += static_cast<float>(random.uniform());
        if (failing) throw Mine{3};
    });
    auto const fresh = [] { return train<Classifier>(SGD{.learning_rate = 0.1, .momentum = 0.9}, Seed{5}); };
    auto expected = fresh();
    expected.fit(data, points.dataset(), quiet(2, 4));

    auto trainer = fresh();
    auto const value_thrown = [&](FitOptions const& options) {
        try {
            trainer.fit(data, points.dataset(), options);
        } catch (Mine const& mine) { return mine.value; }
        return 0;
    };
    FitOptions options = quiet(2, 4);
    options.on_step = [](StepEvent const& event) {
        if (event.step == 3) throw Mine{1};
    };
    CHECK(value_thrown(options) == 1);
    CHECK(trainer.state().step == 3);
    options.on_step = nullptr;
    options.on_epoch = [](EpochRecord const&) { throw Mine{2}; };
    CHECK(value_thrown(options) == 2);
    CHECK(trainer.state().epoch == 1);
    options.on_epoch = nullptr;
    for (int const loader_threads : {0, 2}) {
        failing = true;
        options.loader_threads = loader_threads;
        CHECK(value_thrown(options) == 3);
        failing = false;
    }
    CHECK(trainer.state().step == 6);
    trainer.fit(data, points.dataset(), options);
    auto const a = snapshot_of(expected, directory), b = snapshot_of(trainer, directory);
    CHECK_MESSAGE(a == b, difference(a, b));
}

TEST_CASE("checkpoints are written after epochs and every so many steps") {
    Points const points(10);
    TemporaryDirectory const directory;
    auto trainer = train<Classifier>();
    FitOptions options = quiet(1, 2);
    options.checkpoint = directory / "c";
    options.checkpoint_steps = 2;
    std::vector<std::int64_t> steps;
    options.on_step = [&](StepEvent const&) {
        auto other = train<Classifier>();
        if (!std::filesystem::exists(options.checkpoint)) return;
        other.load_checkpoint(options.checkpoint);
        steps.push_back(other.state().step);
    };
    trainer.fit(points.dataset(), options);
    CHECK(steps == std::vector<std::int64_t>{2, 2, 4});  // seen in the callbacks of steps 3, 4 and 5
    auto other = train<Classifier>();
    other.load_checkpoint(options.checkpoint);
    CHECK(other.state().epoch == 1);
    CHECK(directory.file_count() == 1);
}

TEST_CASE("evaluate counts what predict gives, whatever the batch size, and changes nothing") {
    Points const points(45);
    TemporaryDirectory const directory;
    auto trainer = train<Classifier>(SGD{.learning_rate = 0.3}, Seed{2});
    trainer.fit(points.dataset(), quiet(3, 8));
    auto const before = snapshot_of(trainer, directory);
    ByHand hand(trainer.model().parameters());
    hand.measure(points);
    for (int const batch_size : {1, 7, 16, 256}) {
        CAPTURE(batch_size);
        Evaluation const all = trainer.evaluate(points.dataset(), batch_size);
        CHECK(all.samples == 45);
        CHECK(all.correct == hand.correct);
        CHECK(all.accuracy == static_cast<double>(hand.correct) / 45);
        CHECK(all.loss == doctest::Approx(hand.loss).epsilon(1e-6));
        CHECK(all.labels == points.label);
        std::vector<float> const outputs = trainer.predict(points.dataset(), batch_size);
        REQUIRE(outputs.size() == 45 * 4);
        for (std::size_t s = 0; s < 45; ++s) {
            auto const z = hand.logits(points.x.data() + s * 3);
            for (std::size_t o = 0; o < 4; ++o) CHECK(static_cast<double>(outputs[s * 4 + o]) == doctest::Approx(z[o]));
            CHECK(all.predictions[s] == std::max_element(z.begin(), z.end()) - z.begin());
        }
        ConfusionMatrix const confusion = all.confusion(4);
        CHECK(confusion.total() == 45);
        CHECK(confusion.correct() == all.correct);
    }
    CHECK(before == snapshot_of(trainer, directory));
    CHECK(hand.correct > 20);  // it has learnt something: chance is 11
}

TEST_CASE("policies come in any order, and their defaults are PyTorch's") {
    Points const points(9);
    auto a =
        train<Classifier>(Seed{1}, SGD{.learning_rate = 0.1}, CrossEntropy{.label_smoothing = 0.1}, Cpu{.threads = 1});
    auto b =
        train<Classifier>(CrossEntropy{.label_smoothing = 0.1}, Cpu{.threads = 1}, Seed{1}, SGD{.learning_rate = 0.1});
    static_assert(std::is_same_v<decltype(a), decltype(b)>);
    static_assert(std::is_same_v<decltype(train<Classifier>()), decltype(train<Classifier>(Float32{}, ConstantLR{}))>);
    static_assert(std::is_same_v<decltype(train<Classifier>()), decltype(train<Classifier>(CrossEntropy{}, Adam{}))>);
#ifdef __OPTIMIZE__
    CHECK_FALSE(FitOptions{}.unoptimised);
#endif
    a.train_step(points.x, points.label);
    b.train_step(points.x, points.label);
    CHECK(same_bits(a.model().parameters(), b.model().parameters()));
}

TEST_CASE("snapshot and set_model are values") {
    Points const points(9);
    auto trainer = train<Classifier>(SGD{.learning_rate = 1.0});
    auto const start = trainer.snapshot();
    trainer.train_step(points.x, points.label);
    CHECK_FALSE(same_bits(start.parameters(), trainer.model().parameters()));
    auto const after = trainer.snapshot();
    trainer.set_model(start);
    CHECK(same_bits(start.parameters(), trainer.model().parameters()));
    trainer.train_step(points.x, points.label);
    CHECK(same_bits(after.parameters(), trainer.model().parameters()));  // no momentum: the same step again
}

TEST_CASE("after load_checkpoint in a callback fit goes on at the checkpoint's place, to the bit") {
    Points const points(22);  // six batches of four
    TemporaryDirectory const directory;
    auto const data = points.dataset().with(
        [](std::span<float> x, SampleShape, Random& random) { x[0] += static_cast<float>(random.uniform()); });
    auto const with_seed = [](std::uint64_t seed) {
        return train<Classifier>(SGD{.learning_rate = 0.1, .momentum = 0.9}, StepLR{.step_size = 1, .gamma = 0.5},
                                 Seed{seed});
    };
    auto expected = with_seed(5);
    expected.fit(data, points.dataset(), quiet(3, 4));
    auto const wanted = snapshot_of(expected, directory);
    // Saved in one step, loaded in a later one: of the same epoch, at its end, of the next one, of the last one.
    std::string const rollback = directory / "rollback";
    for (int const loader_threads : {0, 2})
        for (auto const& steps : {std::pair{3, 5}, {3, 6}, {6, 7}, {5, 16}, {6, 18}}) {
            int const saved = steps.first, loaded = steps.second;
            CAPTURE(loader_threads);
            CAPTURE(saved);
            CAPTURE(loaded);
            auto trainer = with_seed(5);
            FitOptions options = quiet(3, 4);
            options.loader_threads = loader_threads;
            int calls = 0;
            options.on_step = [&](StepEvent const& event) {
                ++calls;
                if (event.step == saved && calls == saved) trainer.save_checkpoint(rollback);
                if (calls == loaded) trainer.load_checkpoint(rollback);
            };
            trainer.fit(data, points.dataset(), options);
            CHECK(calls == 18 + loaded - saved);
            auto const got = snapshot_of(trainer, directory);
            CHECK_MESSAGE(got == wanted, difference(wanted, got));
        }

    // In on_epoch, and into a trainer of another seed, whose loader has another order.
    auto half = with_seed(5);
    std::string const elsewhere = directory / "elsewhere";
    FitOptions until = quiet(3, 4);
    until.on_step = [&](StepEvent const& event) {
        if (event.step == 9) half.stop();
    };
    half.fit(data, points.dataset(), until);
    half.save_checkpoint(elsewhere);
    for (bool const after_epoch : {false, true}) {
        auto other = with_seed(77);
        FitOptions options = quiet(3, 4);
        bool loaded = false;
        auto const load = [&] {
            if (!std::exchange(loaded, true)) other.load_checkpoint(elsewhere);
        };
        if (after_epoch) {
            options.on_epoch = [&](EpochRecord const&) { load(); };
        } else {
            options.on_step = [&](StepEvent const&) { load(); };
        }
        other.fit(data, points.dataset(), options);
        auto const got = snapshot_of(other, directory);
        CHECK_MESSAGE(got == wanted, difference(wanted, got));
    }

    // stop() in the same callback: fit returns at the checkpoint's place, and the next one goes on from there.
    auto stopping = with_seed(6);
    FitOptions options = quiet(3, 4);
    options.on_step = [&](StepEvent const&) {
        stopping.load_checkpoint(elsewhere);
        stopping.stop();
    };
    stopping.fit(data, points.dataset(), options);
    CHECK(stopping.state().step == 9);
    stopping.fit(data, points.dataset(), quiet(3, 4));
    CHECK(snapshot_of(stopping, directory) == wanted);

    // An epoch of other batches cannot be gone on with, and says so at once.
    auto trainer = with_seed(5);
    FitOptions other_batches = quiet(3, 5);
    other_batches.on_step = [&](StepEvent const&) { trainer.load_checkpoint(elsewhere); };
    CHECK(error_of([&] { trainer.fit(data, other_batches); }) ==
          "fit: the training stands at batch 3 of an epoch of 22 samples in batches of 4, and cannot go on with 22 "
          "samples in batches of 5");
    CHECK(trainer.state().step == 9);
    trainer.fit(data, points.dataset(), quiet(3, 4));
    CHECK(snapshot_of(trainer, directory) == wanted);
}

TEST_CASE("callbacks may change the model, but not call fit") {
    Points const points(12);
    auto trainer = train<Classifier>(SGD{.learning_rate = 0.1});
    auto const zeros = [&] {
        auto model = trainer.snapshot();
        for (float& w : model.parameters()) w = 0;
        return model;
    }();
    FitOptions options = quiet(2, 4);
    double loss_of_zeros = 0;
    options.on_step = [&](StepEvent const& event) {
        if (event.step == 2) trainer.set_model(zeros);
        if (event.step == 3) loss_of_zeros = event.result.loss;
    };
    trainer.fit(points.dataset(), options);
    CHECK(loss_of_zeros == doctest::Approx(std::log(4.0)).epsilon(1e-6));
    CHECK(trainer.state().step == 6);

    auto const again = [&] { trainer.fit(points.dataset(), quiet(9, 4)); };
    std::string const text = "fit: this trainer is in fit already, whose callbacks cannot call it again";
    options = quiet(3, 4);
    options.on_step = [&](StepEvent const&) { CHECK(error_of(again) == text); };
    options.on_epoch = [&](EpochRecord const&) { again(); };
    CHECK(error_of([&] { trainer.fit(points.dataset(), options); }) == text);
    CHECK(trainer.state().step == 9);
    trainer.fit(points.dataset(), quiet(4, 4));
    CHECK(trainer.state().step == 12);
}

TEST_CASE("a process forked in a callback trains on, and so does its parent") {
    Points const points(40);
    TemporaryDirectory const directory;
    auto const fresh = [] { return train<Classifier>(Cpu{.threads = 2}, SGD{.learning_rate = 0.1}, Seed{5}); };
    auto expected = fresh();
    expected.fit(points.dataset(), quiet(2, 4));
    auto const wanted = snapshot_of(expected, directory);
    for (bool const child_throws : {false, true}) {
        auto trainer = fresh();
        std::string const written = directory / "child";
        pid_t child = -1;
        FitOptions options = quiet(2, 4);
        options.on_step = [&](StepEvent const& event) {
            if (event.step != 7) return;
            child = fork();
            if (child != 0) return;
            alarm(60);  // ends a child that waits for threads it does not have
            if (child_throws) throw 7;
        };
        try {
            trainer.fit(points.dataset(), options);
        } catch (int) { _exit(child == 0 ? 0 : 1); }
        if (child == 0) {
            trainer.save_checkpoint(written);
            _exit(0);
        }
        int status = 1;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(status == 0);
        CHECK(snapshot_of(trainer, directory) == wanted);
        if (child_throws) continue;
        auto other = fresh();
        other.load_checkpoint(written);
        CHECK(snapshot_of(other, directory) == wanted);
    }
}
