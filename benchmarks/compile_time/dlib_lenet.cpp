// The program of strata_lenet.cpp in dlib.
#include <dlib/data_io.h>
#include <dlib/dnn.h>

#include <exception>
#include <iostream>

using namespace dlib;

template <long Channels, class Below>
using Conv5x5 = add_layer<con_<Channels, 5, 5, 1, 1, 0, 0>, Below>;
template <class Below>
using Pool = add_layer<max_pool_<2, 2, 2, 2, 0, 0>, Below>;
using LeNet = loss_multiclass_log<
    fc<10, relu<fc<84, relu<fc<120, Pool<relu<Conv5x5<16, Pool<relu<Conv5x5<6, input_rgb_image_sized<32>>>>>>>>>>>>>;

int main(int argument_count, char** arguments) try {
    std::vector<matrix<rgb_pixel>> training_images, test_images;
    std::vector<unsigned long> training_labels, test_labels;
    load_cifar_10_dataset(argument_count > 1 ? arguments[1] : "data/cifar-10-batches-bin", training_images,
                          training_labels, test_images, test_labels);
    LeNet net;
    dnn_trainer<LeNet> trainer(net, sgd(0, 0.9));
    trainer.set_learning_rate(0.01);
    trainer.set_mini_batch_size(64);
    trainer.set_max_num_epochs(10);
    trainer.be_verbose();
    trainer.train(training_images, training_labels);
    auto const predicted = net(test_images);
    std::size_t right = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i) right += predicted[i] == test_labels[i];
    std::cout << right << " of " << predicted.size() << '\n';
    serialize("lenet.dat") << net;
} catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
