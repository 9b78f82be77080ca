// labels: plain
// Ranks that are processes: the same bits as one, and errors that end all of them. The test starts itself under mpirun.
#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
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
/// Runs a program on ranks, within a time limit.
Ended mpirun(int ranks, std::string const& program) {
    // Loopback and shared memory only; more ranks than processors are meant.
    std::string const command = concatenate(
        "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 60 mpirun -n ", ranks,
        " --oversubscribe --bind-to none --mca oob_tcp_if_include lo --mca btl_tcp_if_include lo ", program, " 2>&1");
    Ended result;
    FILE* const pipe = popen(command.c_str(), "r");
    if (!pipe) return result;
    char line[512];
    while (std::fgets(line, sizeof line, pipe)) result.printed += line;
    result.status = pclose(pipe);
    return result;
}
/// Runs a role of this program on ranks.
Ended on_ranks(int ranks, char const* role) {
    std::array<char, 4096> self{};
    if (readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) return {};
    setenv("STRATA_ROLE", role, 1);
    return mpirun(ranks, concatenate("'", self.data(), "' --test-case='a rank*' --no-skip"));
}
/// Whether processes can be started here at all.
bool has_ranks() {
    static auto const tried = mpirun(2, "true");
    if (tried.status != 0) MESSAGE("SKIPPED: mpirun cannot start processes here: " << tried.printed);
    return tried.status == 0;
}

template <class Net, class... Ranks>
std::string bits_after_training(Ranks const&... ranks) {
    auto trainer = train<Net>(Cpu{.threads = 1}, Seed{3}, AdamW{.learning_rate = 0.01}, ranks...);
    FitOptions options{.epochs = 2, .batch_size = 80};
    options.progress = ProgressStyle::none;
    trainer.fit(augmented_images(190), small_images(40, 2), options);
    Checksum bits;
    bits.add(trainer.model().parameters().data(), trainer.model().parameters().size_bytes());
    bits.add(trainer.model().buffers().data(), trainer.model().buffers().size_bytes());
    auto const outputs = trainer.predict(small_images(30, 4));
    bits.add(outputs.data(), outputs.size() * sizeof(float));
    return concatenate("bits ", bits.value(), ".\n");
}

int count(std::string const& text, std::string const& part) {
    int found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

}  // namespace

TEST_CASE("processes train with the bits of one, BatchNorm included") {
    if (!has_ranks()) return;
    std::string const lenet = bits_after_training<SmallLeNet>(), resnet = bits_after_training<SmallResNet>();
    for (int const ranks : {1, 2, 3, 4}) {
        CAPTURE(ranks);
        auto const ended = on_ranks(ranks, "train");
        INFO(ended.printed);
        CHECK(ended.status == 0);
        CHECK(count(ended.printed, lenet) == ranks);
        CHECK(count(ended.printed, resnet) == ranks);
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
}

TEST_CASE("a rank of mpirun's" * doctest::skip()) {
    std::string const role = std::getenv("STRATA_ROLE");
    int argument_count = 0;
    char** arguments = nullptr;
    int const status = Mpi::run(argument_count, arguments, [&](Mpi communicator) {
        if (role == "train") {
            std::string const text = bits_after_training<SmallLeNet>(DataParallel{communicator}) +
                                     bits_after_training<SmallResNet>(DataParallel{communicator});
            std::fputs(text.c_str(), stdout);
        } else if (role == "throw") {
            if (communicator.rank() == 1) fail("enough");
            communicator.agree(true);
        } else if (role == "sizes") {
            std::array<std::byte, 9> bytes{};
            if (communicator.rank() == 0) {
                communicator.post_send(1, std::span<std::byte const>(bytes).first(5));
                communicator.wait();
            } else {
                communicator.post_receive(0, bytes);
                std::printf("%s\n", error_of([&] { communicator.wait(); }).c_str());
            }
        }
    });
    CHECK(status == 0);
}
