// Strata's side of the comparison with other frameworks: training steps and inference of seven networks.
//
//     networks [FILTER] [THREADS] [SECONDS]   one line a work whose label contains FILTER, SECONDS of measuring each;
//                                             SECONDS 0 only names the works
//     networks losses                         values that must equal those of the other programs
#include <exception>

#include "network_types.hpp"
#include "work.hpp"

using namespace strata;
using benchmark::ConvNext, benchmark::LeNet, benchmark::Mlp, benchmark::ResNet20, benchmark::SeparableNet,
    benchmark::UNet, benchmark::Vgg6;

template <class Net, class Precision = Float32>
static auto trainer_of(int threads) {
    return train<Net>(Cpu{.threads = threads}, Precision{},
                      SGD{.learning_rate = benchmark::learning_rate, .momentum = benchmark::momentum});
}

template <class Net, class Precision>
static void measure_training(benchmark::Subject const& subject, benchmark::Selection const& selection, int batch,
                             int threads) {
    benchmark::Work const training{subject.name, "train", batch, threads};
    if (!training.selected(selection)) return;
    benchmark::Samples const samples(subject, batch);
    auto trainer = trainer_of<Net, Precision>(threads);
    benchmark::measure(training, selection, [&] { trainer.train_step(samples.images, samples.labels); });
}

template <class Net>
static void measure_inference(benchmark::Subject const& subject, benchmark::Selection const& selection,
                              benchmark::Work const& inference, bool batch_invariant) {
    if (!inference.selected(selection)) return;
    benchmark::Samples const samples(subject, inference.batch);
    auto const model = fold_batch_norm(Model<Net>());  // as onnxruntime does by itself, and pytorch_networks.py
    Workspace<FoldedNetwork<Net>> workspace(Cpu{.threads = inference.threads, .batch_invariant = batch_invariant});
    std::span<float const> const images(samples.images);
    benchmark::measure(inference, selection, [&] { model(images, workspace); });
}

template <class Net>
static void measure(benchmark::Subject const& subject, benchmark::Selection const& selection) {
    for (int const threads : selection.threads)
        for (int const batch : subject.batches) {
            measure_training<Net, Float32>(subject, selection, batch, threads);
            measure_inference<Net>(subject, selection, {subject.name, "infer", batch, threads}, false);
            measure_inference<Net>(subject, selection, {subject.name, "invariant", batch, threads}, true);
        }
}

template <class Net>
static void check(benchmark::Subject const& subject) {
    auto trainer = trainer_of<Net>(2);
    Model<Net> start;
    benchmark::Weights weights;
    for (auto const& tensor : start.tensors())
        if (tensor.name.ends_with("weight") || tensor.name.ends_with("bias"))
            weights.fill(tensor.name, tensor.shape, static_cast<float*>(tensor.data));
    trainer.set_model(start);
    benchmark::Samples const samples(subject, benchmark::check_batch);
    std::vector<double> losses;
    for (int step = 0; step < benchmark::check_steps; ++step)
        losses.push_back(trainer.train_step(samples.images, samples.labels).loss);
    Workspace<Net> workspace;
    auto const outputs = trainer.model()(std::span<float const>(samples.images), workspace);
    benchmark::print_check(subject.name, losses, {outputs.begin(), outputs.end()});
}

template <class Net>
static void run(benchmark::Subject const& subject, benchmark::Selection const& selection) {
    if (selection.checks())
        check<Net>(subject);
    else
        measure<Net>(subject, selection);
}

int main(int argument_count, char** arguments) try {
    benchmark::Selection const selection(argument_count, arguments);
    run<LeNet>(benchmark::lenet, selection);
    if (!selection.checks())
        for (int const threads : selection.threads)
            for (int const batch : benchmark::lenet_bfloat16.batches)
                measure_training<LeNet, Mixed<bfloat16>>(benchmark::lenet_bfloat16, selection, batch, threads);
    run<Vgg6>(benchmark::vgg6, selection);
    run<ResNet20>(benchmark::resnet20, selection);
    run<SeparableNet>(benchmark::separable, selection);
    run<ConvNext>(benchmark::convnext, selection);
    run<UNet>(benchmark::unet, selection);
    run<Mlp>(benchmark::mlp, selection);
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
