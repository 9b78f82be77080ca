// labels: threads
// What a user's layer, loss, optimizer or transform throws reaches the caller, whichever thread it is thrown on, and
// the trainer works on as if that step had not been.
#include <atomic>
#include <stdexcept>

#include "small_training.hpp"

using namespace strata;

namespace {

/// Throws at its call number `at`, counted over all threads, or, `always`, at every one from there on.
struct Fuse {
    std::atomic<int> calls{0}, at{-1};
    std::atomic<bool> always{false};
    void set(int call, bool and_after = false) {
        calls = 0;
        at = call;
        always = and_after;
    }
    void burn(char const* what) {
        int const call = calls++, blown = at;
        if (blown >= 0 && (always ? call >= blown : call == blown)) throw std::domain_error(what);
    }
};
Fuse layer_fuse, backward_fuse, loss_fuse, update_fuse;

struct Fragile {
    static constexpr Keep keep = Keep::nothing;
    template <class L>
    static L forward(L x) {
        layer_fuse.burn("layer");
        return x;
    }
    template <class L>
    static L backward(L, L, L dy) {
        backward_fuse.burn("backward");
        return dy;
    }
};
struct FragileLoss : CrossEntropy {
    template <int K, class Io>
    auto operator()(Io const& io) const {
        loss_fuse.burn("loss");
        return CrossEntropy::operator()<K>(io);
    }
};
struct FragileSGD : SGD {
    template <class T>
    struct Update : SGD::Update<T> {
        template <class L>
        void operator()(L& w, L gradient, L (&state)[1]) const {
            update_fuse.burn("update");
            SGD::Update<T>::operator()(w, gradient, state);
        }
    };
    template <class T>
    [[nodiscard]] Update<T> prepare(OptimizerStep const& step) const {
        return {SGD::prepare<T>(step)};
    }
};

using Streaming = Network<Input<2, 12, 12>, Conv2d<4, 3>, Fragile, Flatten, Linear<5>>;
using InPhases = Network<Input<2, 12, 12>, Conv2d<4, 3>, BatchNorm2d<>, Fragile, Flatten, Linear<5>>;

FitOptions quiet() {
    FitOptions options;
    options.epochs = 1;
    options.batch_size = 48;  // three tiles
    options.progress = ProgressStyle::none;
    return options;
}

/// What a trainer of `Net` throws where a fuse blows at some calls, in fit and evaluate, and that it ends where one ends
/// that has never seen an exception.
template <class Net>
void check(Cpu cpu, Fuse& fuse, std::string const& what, bool in_evaluation) {
    CAPTURE(what);
    CAPTURE(cpu.threads);
    auto const data = small_images(96);
    auto const fresh = [&] {
        return train<Net>(cpu, FragileLoss{}, FragileSGD{SGD{.learning_rate = 0.1, .momentum = 0.9}}, Seed{3});
    };
    auto undisturbed = fresh();
    undisturbed.fit(data, quiet());
    for (bool const always : {false, true})
        for (int const call : {0, 1, 2}) {
            auto trainer = fresh();
            auto const start = trainer.snapshot();
            fuse.set(call, always);
            std::string text = "nothing";
            try {
                trainer.fit(data, quiet());
            } catch (std::domain_error const& error) { text = error.what(); }
            CHECK(text == what);
            CHECK(trainer.state().step == 0);
            CHECK(same_bits(start.parameters(), trainer.model().parameters()));
            fuse.set(-1);
            trainer.fit(data, quiet());
            CHECK(same_bits(undisturbed.model().parameters(), trainer.model().parameters()));
            if (!in_evaluation) continue;
            fuse.set(call, always);
            CHECK_THROWS_WITH_AS(static_cast<void>(trainer.evaluate(data, 48)), what.c_str(), std::domain_error);
            Workspace<Net> workspace(cpu);
            std::vector<float> const images(48 * 2 * 12 * 12, 0.5f);
            if (&fuse == &layer_fuse) {
                fuse.set(call, always);
                CHECK_THROWS_WITH_AS(trainer.model()(images, workspace), what.c_str(), std::domain_error);
            }
            fuse.set(-1);
            CHECK(trainer.evaluate(data, 48).loss == undisturbed.evaluate(data, 48).loss);
            Workspace<Net> untouched(cpu);
            auto const a = trainer.model()(images, workspace), b = trainer.model()(images, untouched);
            CHECK(same_bits(a, b));
        }
}
template <class Net>
void check_all(Cpu cpu) {
    check<Net>(cpu, layer_fuse, "layer", true);
    check<Net>(cpu, backward_fuse, "backward", false);
    check<Net>(cpu, loss_fuse, "loss", true);
}

}  // namespace

TEST_CASE("layers and losses, a leaf a worker and in teams, with and without phases") {
    for (int const threads : {1, 2, 3, 4})
        for (double const team_flops : {0.0, 1e12}) {
            Cpu const cpu{.threads = threads, .team_flops = team_flops};
            check_all<Streaming>(cpu);
            check_all<InPhases>(cpu);
        }
}

TEST_CASE("a pass that throws leaves no gradient for update, neither its own nor that of the passes before") {
    std::vector<float> images(48 * 2 * 12 * 12);
    for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i % 7) / 7;
    std::vector<int> const labels(48, 1);
    for (int const threads : {1, 2}) {
        auto trainer = train<Streaming>(Cpu{.threads = threads}, FragileLoss{}, SGD{.learning_rate = 0.1});
        auto const start = trainer.snapshot();
        trainer.backward(images, labels);
        loss_fuse.set(1);
        CHECK_THROWS_AS(trainer.backward(images, labels), std::domain_error);
        loss_fuse.set(-1);
        CHECK_THROWS_AS(trainer.update(), Error);
        CHECK_THROWS_AS(static_cast<void>(trainer.gradients()), Error);
        CHECK(same_bits(start.parameters(), trainer.model().parameters()));
        auto undisturbed = train<Streaming>(Cpu{.threads = threads}, FragileLoss{}, SGD{.learning_rate = 0.1});
        undisturbed.train_step(images, labels);
        trainer.backward(images, labels);
        CHECK(trainer.update());
        CHECK(same_bits(undisturbed.model().parameters(), trainer.model().parameters()));
    }
}

TEST_CASE("optimizers") {
    // Two chunks of 4096 parameters and more, so that several workers update; an update that threw is half done.
    using Net = Network<Input<2, 12, 12>, Flatten, Linear<40>, Linear<5>>;
    auto const data = small_images(96);
    for (int const threads : {1, 2, 4}) {
        auto trainer = train<Net>(Cpu{.threads = threads}, FragileSGD{SGD{.learning_rate = 0.1}});
        for (int const call : {0, 300, 700}) {
            update_fuse.set(call, call == 300);
            CHECK_THROWS_WITH_AS(trainer.fit(data, quiet()), "update", std::domain_error);
        }
        update_fuse.set(-1);
        trainer.fit(data, quiet());
        CHECK(trainer.state().step == 2);
    }
}

TEST_CASE("transforms, on the loader's threads and on the caller's") {
    Fuse fuse;
    auto const data =
        small_images(96).with(SampleFunction([&](std::span<float>, SampleShape, Random&) { fuse.burn("transform"); }));
    for (int const loader_threads : {0, 1, 3}) {
        auto trainer = train<Streaming>(Cpu{.threads = 2});
        FitOptions options = quiet();
        options.loader_threads = loader_threads;
        fuse.set(50, true);
        CHECK_THROWS_WITH_AS(trainer.fit(data, options), "transform", std::domain_error);
        fuse.set(0, true);
        CHECK_THROWS_WITH_AS(static_cast<void>(trainer.evaluate(data)), "transform", std::domain_error);
        fuse.set(-1);
        trainer.fit(data, options);
        CHECK(trainer.state().epoch == 1);
    }
}
