// Memory: what training takes is known beforehand, and no step allocates any, on any thread.
#include <atomic>

#include "../train/joined_network.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define NO_MALLOC_OF_OUR_OWN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define NO_MALLOC_OF_OUR_OWN 1
#endif
#endif

using namespace strata;

/// Kernels that prepare their parameters (Winograd).
using SmallVgg = Network<Input<2, 12, 12>, Conv2d<16, 3, Padding<1>>, ReLU, Conv2d<16, 3, Padding<1>>, BatchNorm2d<>,
                         ReLU, Conv2d<16, 3, Padding<1>>, ReLU, GlobalAvgPool2d, Linear<5>>;
static_assert(detail::program_of<SmallVgg, Float32, CrossEntropy, true>().prepared > 0);

#ifndef NO_MALLOC_OF_OUR_OWN
namespace {
std::atomic<long> allocations{0};
}
// The program's malloc goes before that of the C library, for every library and thread: libgomp, libstdc++.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t bytes) noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_realloc(memory, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept { return memalign(alignment, bytes); }
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept {
    *memory = memalign(alignment, bytes);
    return *memory ? 0 : 12;
}
}

TEST_CASE("the count sees every way to allocate") {
    long before = allocations;
    // Through a volatile pointer: compilers leave unused allocations out.
    void* volatile memory = std::malloc(1);
    std::free(memory);
    CHECK(allocations == ++before);
    memory = ::operator new(8, std::align_val_t{64});
    ::operator delete(memory, std::align_val_t{64});
    CHECK(allocations == ++before);
    memory = ::operator new(8);
    ::operator delete(memory);
    CHECK(allocations == ++before);
    memory = std::calloc(2, 4);
    memory = std::realloc(memory, 100);
    std::free(memory);
    CHECK(allocations == (before += 2));
}

TEST_CASE_TEMPLATE("training allocates nothing from the second step on", Net, SmallLeNet, SmallResNet, SmallVgg,
                   JoinedNetwork) {
    auto const data = augmented_images(200).with([](std::span<float> x, SampleShape, Random&) { x[0] += 1; });
    for (int const threads : {1, 2})
        for (int const batch_size : {2, 4, 50})
            for (int const loader_threads : {0, 2}) {
                CAPTURE(threads);
                CAPTURE(batch_size);
                CAPTURE(loader_threads);
                std::conditional_t<Net::has_input_gradient, NonFinite, Accumulate> accumulate;
                if constexpr (!Net::has_input_gradient) accumulate.batches = batch_size == 50 ? 3 : 1;
                auto trainer = train<Net>(Cpu{.threads = threads}, SGD{.momentum = 0.9}, CosineAnnealingLR{.t_max = 9},
                                          accumulate);
                Loader loader(data, {.batch_size = batch_size, .threads = loader_threads});
                loader.begin_epoch(0);
                trainer.train_step(*loader.next());
                long const before = allocations;
                for (int step = 1; step < 4; ++step) trainer.train_step(*loader.next());
                CHECK(allocations == before);
            }
}

TEST_CASE("fit allocates nothing between two steps, batch 1 and ragged batches included") {
    for (int const threads : {1, 2})
        for (int const batch_size : {1, 30}) {
            CAPTURE(threads);
            CAPTURE(batch_size);
            auto trainer =
                train<SmallLeNet>(Cpu{.threads = threads}, SGD{.momentum = 0.9}, CosineAnnealingLR{.t_max = 9});
            long last = 0, steps = 0, allocated = 0;
            FitOptions options;
            options.batch_size = batch_size;
            options.progress = ProgressStyle::none;
            options.on_step = [&](StepEvent const&) {
                if (++steps > 1) allocated += allocations - last;
                last = allocations;
            };
            trainer.fit(augmented_images(70), options);
            CHECK(steps == (batch_size == 1 ? 70 : 3));
            CHECK(allocated == 0);
        }
}

TEST_CASE("fit of a network with heads allocates nothing between two steps") {
    using Net = Network<Input<4>, Heads<Named<"class", Linear<3>>, Named<"number", Linear<1>>>>;
    auto trainer = train<Net>(Losses{On<"class">(CrossEntropy{}), On<"number">(MSE{})});
    long last = 0, steps = 0, allocated = 0;
    FitOptions options{.epochs = 1, .batch_size = 4};
    options.progress = ProgressStyle::none;
    options.on_step = [&](StepEvent const&) {
        if (++steps > 1) allocated += allocations - last;
        last = allocations;
    };
    trainer.fit(from_memory(std::vector<float>(10 * 4, 0.5f), {4}, std::vector<int>(10), 3)
                    .with_targets(std::vector<float>(10), 1),
                options);
    CHECK(steps == 3);
    CHECK(allocated == 0);
}

TEST_CASE("sequences: whatever their lengths, nothing is allocated behind the first step, and memory is as planned") {
    using Net = Network<Sequence<Input<4>, 80>, Linear<9>, Attention<1>, LayerNorm<>, SequenceMean, Linear<3>>;
    std::vector<int> const lengths{1, 2, 3, 80, 1, 1, 40, 7, 70, 5, 33, 64, 12, 80, 9, 2};
    std::vector<float> const x(4 * 410, 0.5f);
    std::vector<int> const labels(16, 1);
    auto const data = from_memory(x, {4}, Lengths(lengths), labels, 3);
    for (int const threads : {1, 2}) {
        auto trainer = train<Net>(Cpu{.threads = threads}, SGD{});
        Loader loader(data, {.batch_size = 3, .shuffle = false, .threads = 0});
        loader.begin_epoch(0);
        trainer.train_step(*loader.next());
        long const before = allocations;
        while (Batch const* const batch = loader.next()) trainer.train_step(*batch);
        CHECK(allocations == before);
        CHECK(trainer.executor().memory_bytes() ==
              std::decay_t<decltype(trainer.executor())>::training_memory_bytes(threads, 3));
    }
}

TEST_CASE("sequences that are continued: nothing is allocated behind the first call") {
    using Net = Network<Sequence<Input<4>, 40>, Linear<9>, Attention<1, Causal>, Linear<3>>;
    std::vector<float> const prompt(7 * 4, 0.5f), next(2 * 4, 0.25f);
    SequenceState<Net> state(2, 40);  // two sequences of at most 40 tokens
    Model<Net> const model;
    Workspace<Net> workspace({.batch_invariant = true});
    model.append(prompt, state[0], workspace);            // seven tokens, an output for each
    auto const y = model.append(next, state, workspace);  // one more of each sequence
    CHECK(y.size() == 2 * 3);
    long const before = allocations;
    while (state.length(0) < state.capacity()) model.append(next, state, workspace);
    state.clear();
    model.append(prompt, state[{1}], workspace);
    CHECK(allocations == before);
    CHECK(state.memory_bytes() == 2 * 40 * 6 * sizeof(float));
}

TEST_CASE_TEMPLATE("a batch smaller than one before allocates nothing", Net, SmallLeNet, SmallResNet, SmallVgg) {
    for (int const threads : {1, 2})
        for (std::size_t const batch : {16u, 33u}) {
            CAPTURE(threads);
            CAPTURE(batch);
            std::vector<float> const x(batch * 288, 0.5f);
            std::vector<std::int32_t> const labels(batch, 1);
            auto trainer = train<Net>(Cpu{.threads = threads}, SGD{.momentum = 0.9}, CosineAnnealingLR{.t_max = 9});
            Model<Net> const model;
            Workspace<Net> workspace(Cpu{.threads = threads});
            trainer.train_step(x, labels);
            model(x, workspace);
            for (std::size_t n = batch; n >= 1; --n) {
                CAPTURE(n);
                long const before = allocations;
                trainer.train_step(std::span(x).first(n * 288), std::span(labels).first(n));
                model(std::span(x).first(n * 288), workspace);
                CHECK(allocations == before);
            }
        }
}

TEST_CASE_TEMPLATE("inference allocates nothing from the second call on", Net, SmallLeNet, SmallResNet, SmallVgg) {
    Model<Net> const model;
    std::vector<float> const x(33 * 288, 0.5f);
    for (int const threads : {1, 2})
        for (std::size_t const batch : {1u, 16u, 33u}) {
            CAPTURE(threads);
            CAPTURE(batch);
            Workspace<Net> workspace(Cpu{.threads = threads});
            auto const samples = std::span(x).first(batch * 288);
            model(samples, workspace);
            long const before = allocations;
            for (int call = 0; call < 3; ++call) model(samples, workspace);
            model(samples.first(288), workspace);
            CHECK(allocations == before);
        }
}
#endif

TEST_CASE("a streaming network takes the memory of its plan, whatever the batch") {
    using Trainer = decltype(train<SmallLeNet>(SGD{.momentum = 0.9}, CosineAnnealingLR{}));
    using Executor = Trainer::Executor;
    constexpr auto bytes = [](int workers, int batch) { return Executor::training_memory_bytes(workers, batch); };
    static_assert(bytes(2, 64) == bytes(2, 1024));  // a constant of the network, known to the compiler
    for (int const workers : {1, 2}) {
        CHECK(bytes(workers, 64) == bytes(workers, 1024));
        CHECK(bytes(workers, 64) == bytes(workers, 33));
    }
    // Every worker has one tile of 16 samples, and scratch memory of its own.
    CHECK(bytes(2, 64) - bytes(1, 64) >= 16 * SmallLeNet::training_bytes_per_sample<float>);
    CHECK(bytes(3, 64) - bytes(2, 64) >= 16 * SmallLeNet::training_bytes_per_sample<float>);

    auto const data = small_images(1024);
    for (int const workers : {1, 2})
        for (int const batch_size : {1, 5, 64, 1024}) {
            CAPTURE(workers);
            CAPTURE(batch_size);
            auto trainer =
                train<SmallLeNet>(Cpu{.threads = workers}, SGD{.momentum = 0.9}, CosineAnnealingLR{.t_max = 9});
            CHECK(trainer.executor().memory_bytes() < 1000);
            Loader loader(data, {.batch_size = batch_size, .threads = 0});
            loader.begin_epoch(0);
            for (int step = 0; step < 2 && step < loader.batches_per_epoch(); ++step)
                trainer.train_step(*loader.next());
            CHECK(trainer.executor().memory_bytes() == bytes(workers, batch_size));
            static_cast<void>(trainer.evaluate(data, batch_size));
            CHECK(trainer.executor().memory_bytes() == bytes(workers, batch_size));
        }
}

TEST_CASE("a batch-wide network takes the memory of its plan: one workspace a tile") {
    using Trainer = decltype(train<SmallResNet>(SGD{.momentum = 0.9}, CosineAnnealingLR{}));
    constexpr auto bytes = [](int workers, int batch) {
        return Trainer::Executor::training_memory_bytes(workers, batch);
    };
    CHECK(bytes(1, 65) - bytes(1, 64) ==
          16 * SmallResNet::training_bytes_per_sample<float> + sizeof(double) * SmallResNet::statistic_count);
    {  // and the gradients of its samples, where it wants them
        using Joined = decltype(train<JoinedNetwork>(SGD{.momentum = 0.9}))::Executor;
        auto trainer = train<JoinedNetwork>(Cpu{.threads = 2}, SGD{.momentum = 0.9});
        OneBatch const batch(small_images(37));
        trainer.train_step(*batch);
        CHECK(trainer.executor().memory_bytes() == Joined::training_memory_bytes(2, 37));
        CHECK(Joined::training_memory_bytes(1, 65) - Joined::training_memory_bytes(1, 64) ==
              16 * JoinedNetwork::training_bytes_per_sample<float> + sizeof(double) * JoinedNetwork::statistic_count +
                  sizeof(float) * 288);
    }
    for (int const batch_size : {2, 64}) {
        CAPTURE(batch_size);
        auto trainer = train<SmallResNet>(Cpu{.threads = 2}, SGD{.momentum = 0.9}, CosineAnnealingLR{.t_max = 9});
        Loader loader(small_images(64), {.batch_size = batch_size, .threads = 0});
        loader.begin_epoch(0);
        trainer.train_step(*loader.next());
        CHECK(trainer.executor().memory_bytes() == bytes(2, batch_size));
    }
}
