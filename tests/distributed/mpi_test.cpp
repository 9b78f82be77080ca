// labels: plain
// Ranks that are processes: the same bits as one, errors that end all of them, and strata_run, which starts them again
// where they were killed. The test starts itself under mpirun.
#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <strata/distributed.hpp>
#include <strata/distributed/mpi.hpp>

#include "../train/small_training.hpp"

using namespace strata;

namespace {

struct Ended {
    int status = -1;
    std::string printed;
};
char const* const strata_run = "../include/strata/distributed/strata_run --backoff 0";

/// Runs a program on ranks, within a time limit.
Ended mpirun(int ranks, std::string const& program, std::string const& launcher = "mpirun") {
    // Ranks that start ranks would never end.
    if (std::getenv("STRATA_RANK_OF_A_TEST")) throw std::logic_error("a rank of a test must not start ranks");
    // Loopback and shared memory only; more ranks than processors are meant.
    std::string const command = concatenate(
        "STRATA_RANK_OF_A_TEST=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 60 ", launcher,
        " -n ", ranks, " --oversubscribe --bind-to none --mca oob_tcp_if_include lo --mca btl_tcp_if_include lo ",
        program, " 2>&1");
    Ended result;
    FILE* const pipe = popen(command.c_str(), "r");
    if (!pipe) return result;
    char line[512];
    while (std::fgets(line, sizeof line, pipe)) result.printed += line;
    result.status = pclose(pipe);
    return result;
}
/// Runs a role of this program on ranks.
Ended on_ranks(int ranks, char const* role, std::string const& launcher = "mpirun") {
    std::array<char, 4096> self{};
    if (readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) return {};
    setenv("STRATA_ROLE", role, 1);
    return mpirun(ranks, concatenate("'", self.data(), "' --test-case='a rank of mpirun*' --no-skip"), launcher);
}
/// Whether processes can be started here at all.
bool has_ranks() {
    static auto const tried = mpirun(2, "true");
    if (tried.status != 0) MESSAGE("SKIPPED: mpirun cannot start processes here: " << tried.printed);
    return tried.status == 0;
}

FitOptions training_options() {
    FitOptions options{.epochs = 2, .batch_size = 80};  // six steps
    options.progress = ProgressStyle::none;
    return options;
}
template <class Net, class... Ranks>
std::string bits_after_training(FitOptions const& options, Ranks const&... ranks) {
    auto trainer = train<Net>(Cpu{.threads = 1}, Seed{3}, AdamW{.learning_rate = 0.01}, ranks...);
    trainer.fit(augmented_images(190), small_images(40, 2), options);
    Checksum bits;
    bits.add(trainer.model().parameters().data(), trainer.model().parameters().size_bytes());
    bits.add(trainer.model().buffers().data(), trainer.model().buffers().size_bytes());
    auto const outputs = trainer.predict(small_images(30, 4));
    bits.add(outputs.data(), outputs.size() * sizeof(float));
    return concatenate("bits ", bits.value(), ".\n");
}

/// Trains with a checkpoint after every step. The first run is killed somewhere, the second one somewhere else.
void train_and_be_killed(Mpi& communicator) {
    std::string const directory = std::getenv("STRATA_DIRECTORY");
    Random random(17, Purpose::user);
    FitOptions options = training_options();
    options.checkpoint = directory + "/checkpoint";
    options.checkpoint_steps = 1;
    options.on_step = [&,
                       kills = std::array{std::array{random.below(3), 1 + random.below(3)},
                                          std::array{random.below(3), 4 + random.below(2)}}](StepEvent const& event) {
        for (std::size_t k = 0; k < kills.size(); ++k) {
            std::string const mark = concatenate(directory, "/kill", k);
            auto const [rank, step] = kills[k];
            if (event.step < static_cast<std::int64_t>(step) || communicator.rank() != static_cast<int>(rank) ||
                std::filesystem::exists(mark))
                continue;
            write_bytes(mark, "");
            std::raise(SIGKILL);
        }
    };
    std::string const text = bits_after_training<SmallLeNet>(options, DataParallel{communicator});
    std::fputs(text.c_str(), stdout);
}

/// Trains with a checkpoint after every step. In the first run a rank stands still from some step on.
void train_and_be_stopped(Mpi& communicator) {
    std::string const directory = std::getenv("STRATA_DIRECTORY"), mark = directory + "/stopped";
    communicator.patience(2);
    FitOptions options = training_options();
    options.checkpoint = directory + "/checkpoint";
    options.checkpoint_steps = 1;
    options.on_step = [&](StepEvent const& event) {
        if (event.step != 3 || communicator.rank() != 1 || std::filesystem::exists(mark)) return;
        write_bytes(mark, "");
        std::raise(SIGSTOP);
    };
    std::string const text = bits_after_training<SmallLeNet>(options, DataParallel{communicator});
    std::fputs(text.c_str(), stdout);
}

int count(std::string const& text, std::string const& part) {
    int found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

}  // namespace

TEST_CASE("processes train with the bits of one, BatchNorm and shards included") {
    if (!has_ranks()) return;
    std::string const lenet = bits_after_training<SmallLeNet>(training_options()),
                      resnet = bits_after_training<SmallResNet>(training_options());
    for (int const ranks : {1, 2, 3, 4}) {
        CAPTURE(ranks);
        auto const ended = on_ranks(ranks, "train");
        INFO(ended.printed);
        CHECK(ended.status == 0);
        CHECK(count(ended.printed, lenet) == 2 * ranks);
        CHECK(count(ended.printed, resnet) == 2 * ranks);
    }
}

TEST_CASE("what one process throws is printed and ends them all") {
    if (!has_ranks()) return;
    auto const ended = on_ranks(3, "throw");
    INFO(ended.printed);
    CHECK(ended.status != 0);
    CHECK(count(ended.printed, "rank 1: enough") == 1);
}

TEST_CASE("a message of another size is an Error on the rank that receives it") {
    if (!has_ranks()) return;
    auto const ended = on_ranks(2, "sizes");
    INFO(ended.printed);
    CHECK(ended.status == 0);
    CHECK(count(ended.printed, "sent 5 bytes, expected 9") == 1);
    CHECK(count(ended.printed, "sent 30000 bytes, expected 9: all ranks have to make the same calls") == 1);
}

TEST_CASE("strata_run: what was killed goes on from its checkpoint to the same bits") {
    if (!has_ranks()) return;
    TemporaryDirectory const directory;
    setenv("STRATA_DIRECTORY", directory.path().c_str(), 1);
    std::string const expected = bits_after_training<SmallLeNet>(training_options());
    auto const ended = on_ranks(3, "killed", strata_run);
    INFO(ended.printed);
    CHECK(ended.status == 0);
    CHECK(count(ended.printed, expected) == 3);
    CHECK(count(ended.printed, "killed by signal 9 (SIGKILL): restart 1 of 3 in 0 s") == 1);
    CHECK(count(ended.printed, "restart 2 of 3") == 1);
    CHECK(count(ended.printed, "restart 3 of 3") == 0);
}

TEST_CASE(
    "a rank that stands still: those who wait for it lose their patience, and strata_run starts all of them again") {
    if (!has_ranks()) return;
    TemporaryDirectory const directory;
    setenv("STRATA_DIRECTORY", directory.path().c_str(), 1);
    std::string const expected = bits_after_training<SmallLeNet>(training_options());
    auto const ended = on_ranks(2, "stopped", concatenate(strata_run, " --restarts 1"));
    INFO(ended.printed);
    CHECK(ended.status == 0);
    CHECK(count(ended.printed, "rank 0: waits for rank 1, and for 2 s nothing has come") == 1);
    CHECK(count(ended.printed, "rank 0: rank 0") == 0);
    CHECK(count(ended.printed, "strata_run: ranks were lost: restart 1 of 1") == 1);
    CHECK(count(ended.printed, expected) == 2);
}

TEST_CASE("strata_run: what a program says itself is said once, and restarts are counted") {
    if (!has_ranks()) return;
    auto const ended = on_ranks(2, "throw", strata_run);
    INFO(ended.printed);
    CHECK(WEXITSTATUS(ended.status) == 1);
    CHECK(count(ended.printed, "rank 1: enough") == 1);
    auto const lost = on_ranks(2, "lost", concatenate(strata_run, " --restarts 1"));
    INFO(lost.printed);
    CHECK(WEXITSTATUS(lost.status) == Mpi::status_of_loss);
    CHECK(count(lost.printed, "rank 1: gone") == 2);
    CHECK(count(lost.printed, "strata_run: ranks were lost, after 1 restarts") == 1);
    auto const killed = mpirun(1, "sh -c 'kill -SEGV $$'", concatenate(strata_run, " --restarts 1"));
    INFO(killed.printed);
    CHECK(WEXITSTATUS(killed.status) == 128 + SIGSEGV);
    CHECK(count(killed.printed, "restart 1 of 1") == 1);
    CHECK(count(killed.printed, "(SIGSEGV), after 1 restarts") == 1);
    // MPICH's mpirun ends with the signal's number; another one's 9 is what the program says.
    TemporaryDirectory const directory;
    for (bool const mpich : {true, false}) {
        CAPTURE(mpich);
        std::string const fake = write_bytes(
            directory / concatenate("mpirun", int{mpich}),
            concatenate("#!/bin/sh\n[ $1 = --version ] && echo ", mpich ? "HYDRA" : "", " && exit\nexit 9\n"));
        std::filesystem::permissions(fake, std::filesystem::perms::owner_all);
        auto const nine = mpirun(1, "true", concatenate(strata_run, " --restarts 1 --mpirun ", fake));
        INFO(nine.printed);
        CHECK(WEXITSTATUS(nine.status) == (mpich ? 128 + SIGKILL : 9));
        CHECK(count(nine.printed, "restart 1 of 1") == (mpich ? 1 : 0));
    }
    CHECK(mpirun(1, "", concatenate(strata_run, " --restarts -1")).printed.find("expected a whole number") !=
          std::string::npos);
}

TEST_CASE("strata_run: a signal ends the ranks and itself") {
    if (!has_ranks()) return;
    // The rank's parent is mpirun, whose parent is strata_run.
    auto const ended =
        mpirun(1, "sh -c 'read -r pid name state parent rest </proc/$PPID/stat; kill -TERM $parent; exec sleep 50'",
               strata_run);
    INFO(ended.printed);
    CHECK(WEXITSTATUS(ended.status) == 128 + SIGTERM);
    CHECK(count(ended.printed, "strata_run: ended by SIGTERM") == 1);
}

TEST_CASE("a rank of mpirun's" * doctest::skip()) {
    std::string const role = std::getenv("STRATA_ROLE");
    int argument_count = 0;
    char** arguments = nullptr;
    int const status = Mpi::run(argument_count, arguments, [&](Mpi communicator) {
        if (role == "train") {
            std::string const text =
                bits_after_training<SmallLeNet>(training_options(), DataParallel{communicator}) +
                bits_after_training<SmallResNet>(training_options(), DataParallel{communicator}) +
                bits_after_training<SmallLeNet>(training_options(), DataParallel{communicator, Sharded<2>{}}) +
                bits_after_training<SmallResNet>(training_options(), DataParallel{communicator, Sharded<3>{}});
            std::fputs(text.c_str(), stdout);
        } else if (role == "killed") {
            train_and_be_killed(communicator);
        } else if (role == "stopped") {
            train_and_be_stopped(communicator);
        } else if (role == "lost") {
            if (communicator.rank() == 1) throw RankLost("gone");
            communicator.agree(true);
        } else if (role == "throw") {
            if (communicator.rank() == 1) fail("enough");
            communicator.agree(true);
        } else if (role == "sizes") {
            std::array<std::byte, 9> bytes{};
            std::byte const sent{7};
            communicator.post_receive(1 - communicator.rank(), std::span(bytes).first(1));
            communicator.post_send(1 - communicator.rank(), std::span(&sent, 1));
            while (!communicator.poll()) {}
            communicator.wait();  // there is nothing left to wait for
            CHECK(bytes[0] == sent);
            // Longer than what Open MPI sends at once: nothing is written behind the nine bytes.
            std::vector<std::byte> const many(30'000, std::byte{1});
            std::vector<std::byte> memory(40'000);
            for (std::size_t const size : {std::size_t{5}, many.size()})
                if (communicator.rank() == 0) {
                    communicator.post_send(1, std::span(many).first(size));
                    communicator.wait();
                } else {
                    communicator.post_receive(0, std::span(memory).first(9));
                    std::printf("%s\n", error_of([&] { communicator.wait(); }).c_str());
                    CHECK(std::count(memory.begin(), memory.end(), std::byte{}) == std::ssize(memory));
                }
        }
    });
    CHECK(status == 0);
}
