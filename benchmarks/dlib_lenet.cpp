// dlib's side of the comparison: the works of networks.cpp on LeNet, on the same data, printed in the same format. The
// headers are compiled like the other programs; dlib's tensor library is Debian's, its threads are those of the BLAS.
//
//     dlib_lenet [FILTER] [THREADS] [SECONDS]
//     dlib_lenet losses
#include <omp.h>

#include <exception>

#include <dlib/dnn.h>

#include "work.hpp"

// con_ and max_pool_ with explicit paddings: dlib pads convolutions by default.
template <long Channels, class Below>
using Conv5x5 = dlib::add_layer<dlib::con_<Channels, 5, 5, 1, 1, 0, 0>, Below>;
template <class Below>
using Pool = dlib::add_layer<dlib::max_pool_<2, 2, 2, 2, 0, 0>, Below>;
using Image = std::array<dlib::matrix<float>, 3>;
using LeNet = dlib::loss_multiclass_log<
    dlib::fc<10, dlib::relu<dlib::fc<
                     84, dlib::relu<dlib::fc<
                             120, Pool<dlib::relu<Conv5x5<16, Pool<dlib::relu<Conv5x5<6, dlib::input<Image>>>>>>>>>>>>>;

/// LeNet set up for a batch, and what a training step needs.
class Training {
public:
    explicit Training(int batch) {
        benchmark::Samples const samples(benchmark::lenet, batch);
        std::vector<Image> images(samples.labels.size());
        auto pixel = samples.images.begin();
        for (auto& image : images)
            for (auto& plane : image) {
                plane.set_size(32, 32);
                for (auto& value : plane) value = *pixel++;
            }
        labels_.assign(samples.labels.begin(), samples.labels.end());
        net_.to_tensor(images.begin(), images.end(), images_);
        solvers_.assign(LeNet::num_computational_layers, dlib::sgd(0.0F, benchmark::momentum));
        infer();  // makes the parameters
    }

    double step() {
        double const loss = net_.compute_parameter_gradients(images_, labels_.begin());
        net_.update_parameters(solvers_, benchmark::learning_rate);
        return loss;
    }
    dlib::tensor const& infer() { return net_.subnet().forward(images_); }

    void fill_weights() {
        benchmark::Weights weights;
        fill<11>(weights, {6, 3, 5, 5}, false);
        fill<8>(weights, {16, 6, 5, 5}, false);
        fill<5>(weights, {120, 400}, true);
        fill<3>(weights, {84, 120}, true);
        fill<1>(weights, {10, 84}, true);
    }

private:
    /// Weight and bias of a layer; dlib's fully connected weights are [inputs][outputs].
    template <unsigned long Layer>
    void fill(benchmark::Weights& weights, std::vector<std::size_t> const& shape, bool transposed) {
        float* const parameters = dlib::layer<Layer>(net_).layer_details().get_layer_params().host();
        std::size_t size = 1;
        for (auto const extent : shape) size *= extent;
        std::vector<float> values(size);
        weights.fill("weight", shape, values.data());
        std::size_t const outputs = shape[0], inputs = size / outputs;
        for (std::size_t o = 0; o < outputs; ++o)
            for (std::size_t i = 0; i < inputs; ++i)
                parameters[transposed ? i * outputs + o : o * inputs + i] = values[o * inputs + i];
        weights.fill("bias", std::vector<std::size_t>{outputs}, parameters + size);
    }

    LeNet net_;
    dlib::resizable_tensor images_;
    std::vector<unsigned long> labels_;
    std::vector<dlib::sgd> solvers_;
};

static void measure(benchmark::Selection const& selection) {
    for (int const threads : selection.threads) {
        omp_set_num_threads(threads);
        for (int const batch : benchmark::lenet.batches) {
            benchmark::Work const train{"lenet", "train", batch, threads}, inference{"lenet", "infer", batch, threads};
            if (train.selected(selection)) {
                Training training(batch);
                benchmark::measure(train, selection, [&] { training.step(); });
            }
            if (inference.selected(selection)) {
                Training training(batch);
                benchmark::measure(inference, selection, [&] { training.infer().host(); });
            }
        }
    }
}

static void check() {
    Training training(benchmark::check_batch);
    training.fill_weights();
    std::vector<double> losses;
    for (int step = 0; step < benchmark::check_steps; ++step) losses.push_back(training.step());
    auto const& outputs = training.infer();
    benchmark::print_check("lenet", losses, {outputs.begin(), outputs.end()});
}

int main(int argument_count, char** arguments) try {
    benchmark::Selection const selection(argument_count, arguments);
    if (selection.checks())
        check();
    else
        measure(selection);
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
