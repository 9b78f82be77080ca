// The ranks of ulfm_test.sh, which says what happens to them. This program starts no other.
//
// usage: ulfm_ranks DIRECTORY                       one process
//        mpirun ... ulfm_ranks DIRECTORY SEED KILLS     KILLS of the ranks are killed, at places that follow from SEED
//        mpirun ... ulfm_ranks DIRECTORY SEED stop      one of them is stopped
//        mpirun ... ulfm_ranks DIRECTORY SEED leave     one of them is stopped, and the others have little patience
//
// Into DIRECTORY goes: bits.R, what rank R ends with; struck.R, the process that was killed or stopped; recovery.R, what
// losses cost rank R.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <numeric>
#include <strata/distributed/data_parallel.hpp>
#include <strata/distributed/mpi.hpp>
#include <strata/strata.hpp>

#include "recovery.hpp"

using namespace strata;

namespace {

/// Statistics of the whole batch, and four chunks of parameters: each rank owns a part.
using Net = Network<Input<1, 8, 8>, Conv2d<4, 3, NoBias>, BatchNorm2d<>, ReLU, Flatten, Linear<100>, ReLU, Linear<3>>;
constexpr int steps_per_epoch = 4, epochs = 3;

void write(std::string const& path, std::string const& text) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    if (!file || std::fputs(text.c_str(), file) < 0 || std::fclose(file) != 0) fail("cannot write ", path);
}

/// What strikes a rank.
struct Fate {
    std::string directory;
    int rank = 0, signal = 0;
    std::int64_t step = 0;  // after this one; 0: never
    std::int64_t calls = 0, at = -1;
    std::vector<std::int64_t> calls_at{};  // the end of each step

    void count() {
        if (++calls != at) return;
        write(concatenate(directory, "/struck.", rank), concatenate(getpid(), "\n"));
        std::raise(signal);
    }
    void end_step(std::int64_t done, Random& random) {
        calls_at.resize(static_cast<std::size_t>(done) + 1);
        calls_at.back() = calls;
        // As many calls as there were at this place of the epoch before: evaluation and checkpoint are among them.
        auto const before = static_cast<std::size_t>(done) - steps_per_epoch;
        if (done == step)
            at = calls + 1 + random.below(static_cast<std::uint32_t>(calls_at[before + 1] - calls_at[before]));
    }
};
/// Mpi in whose calls its fate overtakes a rank.
struct Fated {
    Fate* fate;
    Mpi communicator;

    [[nodiscard]] int rank() const { return communicator.rank(); }
    [[nodiscard]] int size() const { return communicator.size(); }
    void post_send(int to, std::span<std::byte const> bytes) {
        fate->count();
        communicator.post_send(to, bytes);
    }
    void post_receive(int from, std::span<std::byte> bytes) { communicator.post_receive(from, bytes); }
    bool poll() { return communicator.poll(); }
    void wait() {
        fate->count();
        communicator.wait();
    }
    bool agree(bool ok) {
        fate->count();
        return communicator.agree(ok);
    }
    Fated shrink() {
        fate->count();
        return {fate, communicator.shrink()};
    }
};

Dataset images(std::size_t count, std::uint64_t seed) {
    std::vector<float> x(count * 64);
    std::vector<int> labels(count);
    Random random(seed, Purpose::user);
    for (float& value : x) value = static_cast<float>(random.normal());
    for (int& label : labels) label = static_cast<int>(random.below(3));
    return from_memory(std::move(x), SampleShape{1, 8, 8}, labels, 3);
}

/// A checksum of weights, buffers, optimizer state and history, which is the same on all ranks, after training.
template <class... Ranks>
std::string bits_after_training(std::string const& directory, Function<void(StepEvent const&)> const& on_step,
                                Ranks const&... ranks) {
    auto const data = images(64 * steps_per_epoch, 5), tests = images(40, 6);
    auto trainer = train<Net>(Cpu{.threads = 1}, Seed{3}, AdamW{.learning_rate = 0.01}, ranks...);
    FitOptions options{.epochs = epochs, .batch_size = 64};
    options.progress = ProgressStyle::lines;
    options.checkpoint = directory + "/checkpoint";
    options.checkpoint_steps = 3;
    options.on_step = on_step;
    trainer.fit(data, tests, options);
    options.progress = ProgressStyle::none;
    trainer.fit(data, tests, options);  // compares the ranks
    trainer.save_checkpoint(options.checkpoint);
    CheckpointFile const file(options.checkpoint);
    Checksum bits;
    for (auto const& [name, tensor] : file.tensors().tensors()) {
        auto const bytes = file.tensors().data(tensor);
        bits.add(bytes.data(), bytes.size());
    }
    for (auto const& record : trainer.state().history)
        for (double const number : {record.train_loss, record.test_loss, record.test_accuracy})
            bits.add(&number, sizeof number);
    for (auto const& part : {trainer.model().parameters(), trainer.model().buffers()})
        bits.add(part.data(), part.size_bytes());
    return concatenate("bits ", bits.value(), " after ", trainer.state().step, " steps\n");
}

}  // namespace

int main(int argument_count, char** arguments) {
    if (argument_count < 2) return 2;
    std::string const directory = arguments[1];
    if (argument_count < 4) {
        write(directory + "/bits", bits_after_training(directory, {}));
        return 0;
    }
    int const seed = std::stoi(arguments[2]);
    std::string const what = arguments[3];
    bool const stops = what == "stop" || what == "leave";
    int const strikes = stops ? 1 : std::stoi(what);
    Random random(static_cast<std::uint64_t>(seed), Purpose::user);
    return Mpi::run(argument_count, arguments, [&](Mpi communicator) {
        // They agree in another way where they have some.
        communicator.patience(what == "leave" ? 2 : seed % 2 == 0 ? 30 : 0);
        Fate fate{.directory = directory, .rank = communicator.rank(), .signal = stops ? SIGSTOP : SIGKILL};
        // Who is struck, and in which step: the same on all ranks.
        std::vector<int> order(static_cast<std::size_t>(communicator.size()));
        std::iota(order.begin(), order.end(), 0);
        for (std::size_t k = order.size(); k > 1; --k)
            std::swap(order[k - 1], order[random.below(static_cast<std::uint32_t>(k))]);
        for (int k = 0; k < strikes; ++k) {
            std::int64_t const step = steps_per_epoch + random.below(steps_per_epoch * (epochs - 1) - 1);
            if (order[static_cast<std::size_t>(k)] == communicator.rank()) fate.step = step;
        }
        Recovery recovery;
        Noticing<Fated> noticing{&recovery, {&fate, std::move(communicator)}};
        std::string const bits = bits_after_training(
            directory,
            [&](StepEvent const& event) {
                recovery.end();
                fate.end_step(event.step, random);
            },
            DataParallel{noticing, WhenLost::go_on});
        std::string times;
        for (double const milliseconds : recovery.milliseconds()) times += concatenate(milliseconds, "\n");
        write(concatenate(directory, "/recovery.", fate.rank), times);
        write(concatenate(directory, "/bits.", fate.rank), bits);
    });
}
