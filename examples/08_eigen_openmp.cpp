// At home in a program of Eigen and OpenMP: a simulation fills Eigen matrices in OpenMP's threads, a network learns from
// them in those same threads, and answers in a parallel loop. It needs no data.
//
//     examples/08_eigen_openmp
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <strata/eigen.hpp>
#include <strata/openmp.hpp>

using namespace strata;

namespace {

constexpr int sensors = 24, classes = 4;
using Signals = Eigen::Matrix<float, Eigen::Dynamic, sensors, Eigen::RowMajor>;  // a row a sample

// [hidden][in] starts with orthogonal rows.
using Detector =
    Network<Input<sensors>, Named<"hidden", Linear<64, Initialize<Orthogonal<1.4142>>>>, ReLU,
            Named<"second", Linear<64, Initialize<Orthogonal<1.4142>>>>, ReLU, Named<"out", Linear<classes>>>;

struct Measurements {
    Signals signals;
    Eigen::VectorXi faults;
};

/// What the program did before: oscillations of four kinds, seen by sensors that all hear each other.
Measurements simulate(int count, std::uint32_t run) {
    Random random(7, Purpose::user);
    Eigen::Matrix<float, sensors, sensors> crosstalk;
    for (float& c : crosstalk.reshaped()) c = 0.5f * static_cast<float>(random.normal());
    crosstalk.diagonal().array() += 2.0f;
    Measurements all{Signals(count, sensors), Eigen::VectorXi(count)};
#pragma omp parallel for
    for (int i = 0; i < count; ++i) {
        Random own(7, Purpose::user, run, static_cast<std::uint32_t>(i));
        int const fault = static_cast<int>(own.below(classes));
        auto const phase = static_cast<float>(own.uniform(0, 6.28));
        Eigen::RowVector<float, sensors> clean;
        for (int k = 0; k < sensors; ++k)
            clean[k] =
                std::sin(phase + 0.4f * static_cast<float>((fault + 1) * k)) + 0.3f * static_cast<float>(own.normal());
        all.signals.row(i) = clean * crosstalk;
        all.faults[i] = fault;
    }
    return all;
}

}  // namespace

int main() try {
    Measurements const known = simulate(4000, 1), unseen = simulate(2000, 2);

    // Eigen's matrices are datasets. Whitening undoes what correlates the sensors.
    Dataset const raw = from_memory(known.signals, {sensors}, known.faults, classes);
    Whitening const whitening(raw, {.epsilon = 1e-3});
    Dataset const samples = raw.with(whitening);
    Dataset const tests = from_memory(unseen.signals, {sensors}, unseen.faults, classes).with(whitening);

    // As many threads as omp_set_num_threads and OMP_NUM_THREADS say; Muon moves the hidden matrices, AdamW the rest.
    auto trainer = train<Detector>(Cpu{.team = Team::openmp}, Muon{.rest = {.learning_rate = 3e-3, .weight_decay = 0}},
                                   CosineAnnealingLR{.every = Every::step});
    FitOptions options{.epochs = 3, .batch_size = 50};
    options.progress = ProgressStyle::none;
    trainer.fit(samples, options);
    std::printf("%.1f %% of the faults are found\n", 100 * trainer.evaluate(tests).accuracy);

    // Weights are matrices whose sizes the compiler knows.
    Model<Detector> const model = trainer.snapshot();
    auto const hidden = weights<"hidden.weight">(model);
    static_assert(decltype(hidden)::RowsAtCompileTime == 64 && decltype(hidden)::ColsAtCompileTime == sensors);
    Eigen::VectorXf const attention = hidden.colwise().norm();
    std::printf("sensor %d counts most\n",
                static_cast<int>(std::max_element(attention.begin(), attention.end()) - attention.begin()));

    // In a parallel region of its own each thread has a workspace, and Strata starts no threads.
    Signals const white = (unseen.signals.rowwise() - whitening.mean().transpose()) * whitening.matrix().transpose();
    Eigen::VectorXi answers(white.rows());
#pragma omp parallel
    {
        Workspace<Detector> workspace;
#pragma omp for
        for (Eigen::Index first = 0; first < white.rows(); first += 100) {
            auto const scores = outputs<Detector>(model(white.middleRows(first, 100), workspace));
            for (Eigen::Index i = 0; i < scores.rows(); ++i) scores.row(i).maxCoeff(&answers[first + i]);
        }
    }
    std::printf("%d of %d answers are right\n", static_cast<int>((answers.array() == unseen.faults.array()).count()),
                static_cast<int>(answers.size()));
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
