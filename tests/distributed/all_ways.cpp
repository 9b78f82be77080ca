// One hash of weights, buffers and checkpoint file for each way of a training, whoever does the work: 1 to 8 ranks that are
// threads, or the processes that mpirun started, of one and two threads each. No test of CI: it takes a quarter of an hour.
//
//     mpicxx -std=c++20 -O2 -march=native -pthread -Iinclude -Ibenchmarks -DNETWORK=LeNet tests/distributed/all_ways.cpp -o all_ways
//     ./all_ways > threads; mpirun -n 3 --oversubscribe --bind-to none ./all_ways > processes; cmp threads processes
//
// NETWORK is LeNet, ResNet20 or Mlp. Ends with status 1 where a hash is another one.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <mutex>
#include <strata/distributed.hpp>
#include <strata/distributed/mpi.hpp>
#include <strata/strata.hpp>

#include "network_types.hpp"
#include "work.hpp"

using namespace strata;

namespace {

using Net = benchmark::NETWORK;
constexpr int batch = 128, leaves = 8;

/// What a rank's communicator ends with after three steps.
template <class Communicator, class... Ways>
std::uint64_t hash_after_steps(Communicator& communicator, int threads, Ways const&... ways) {
    static benchmark::Samples const data({"", {Net::InputShape::size}, {}}, batch);
    auto trainer = train<Net>(Cpu{.threads = threads, .leaves = leaves}, DataParallel{communicator, ways...},
                              AdamW{.learning_rate = 0.001, .weight_decay = 0.01}, Seed{5});
    for (int step = 0; step < 3; ++step) trainer.train_step(data.images, data.labels);
    // Rank 0 alone writes it, and reads it.
    auto const file = std::filesystem::temp_directory_path() / concatenate("all_ways.", getpid());
    trainer.save_checkpoint(file.string());
    auto const& model = trainer.model();
    Checksum sum;
    sum.add(model.parameters().data(), model.parameters().size_bytes());
    sum.add(model.buffers().data(), model.buffers().size_bytes());
    if (communicator.rank() == 0) {
        CheckpointFile const written(file.string());
        for (auto const& [name, tensor] : written.tensors().tensors()) {
            auto const bytes = written.tensors().data(tensor);
            sum.add(name.data(), name.size());
            sum.add(bytes.data(), bytes.size());
        }
        std::filesystem::remove(file);
    }
    return sum.value();
}

int cases = 0, different = 0;

/// All ranks and threads, with one hash; `expected` is that of a way with the same bits, 0 where there is none.
template <class... Ways>
void check(Mpi& processes, char const* name, std::uint64_t& expected, Ways const&... ways) {
    for (int const threads : {1, 2}) {
        auto const take = [&](std::uint64_t hash, int ranks) {
            if (expected == 0) expected = hash;
            ++cases;
            if (hash == expected) return;
            ++different;
            std::fprintf(stderr, "%s: another hash with %d ranks of %d threads\n", name, ranks, threads);
        };
        if (processes.size() > 1) {
            take(hash_after_steps(processes, threads, ways...), processes.size());
            continue;
        }
        for (int ranks = 1; ranks <= 8; ++ranks)
            Threads::run_ranks(ranks, [&](Threads communicator) {
                std::uint64_t const hash = hash_after_steps(communicator, threads, ways...);
                if (communicator.rank() == 0) take(hash, ranks);
            });
    }
    if (processes.rank() == 0)
        std::printf("%s %016llx\n", name, static_cast<unsigned long long>(expected)), std::fflush(stdout);
}

template <class Compression>
void check_code(Mpi& processes, Compression const& code) {
    std::string const name = code.code.text();
    std::uint64_t whole = 0, sharded = 0;  // whose parameters come back as they are
    check(processes, name.c_str(), whole, code);
    check(processes, (name + ", Sharded<1>").c_str(), sharded, Sharded<1>{}, code);
    check(processes, (name + ", Sharded<2>").c_str(), sharded, Sharded<2>{}, code);
    check(processes, (name + ", Sharded<3>").c_str(), sharded, Sharded<3>{}, code);
}

}  // namespace

int main(int argument_count, char** arguments) {
    int const status = Mpi::run(argument_count, arguments, [](Mpi processes) {
        std::uint64_t hash = 0;
        check(processes, "plain", hash);
        check(processes, "Sharded<1>", hash, Sharded<1>{});
        check(processes, "Sharded<2>", hash, Sharded<2>{});
        check(processes, "Sharded<3>", hash, Sharded<3>{});
        check_code(processes, Compressed<Float16>{});
        check_code(processes, Compressed<BFloat16>{});
        check_code(processes, Compressed<Int8>{});
        check_code(processes, Compressed{OneBit{.momentum = 0.9, .warm_up_steps = 1}});
        check_code(processes, Compressed{TopK{.fraction = 0.05, .momentum = 0.9}});
        if (processes.rank() == 0) std::fprintf(stderr, "%d cases, %d different\n", cases, different);
    });
    return status != 0 ? status : different != 0;
}
