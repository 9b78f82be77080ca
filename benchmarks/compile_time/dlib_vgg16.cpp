// The program of strata_vgg16.cpp in dlib.
#include <dlib/dnn.h>

#include <exception>
#include <iostream>

using namespace dlib;

template <long Channels, class Below>
using ConvReLU = relu<add_layer<con_<Channels, 3, 3, 1, 1, 1, 1>, Below>>;
template <class Below>
using Pool = add_layer<max_pool_<2, 2, 2, 2, 0, 0>, Below>;
template <long Channels, class Below>
using Two = Pool<ConvReLU<Channels, ConvReLU<Channels, Below>>>;
template <long Channels, class Below>
using Three = Pool<ConvReLU<Channels, ConvReLU<Channels, ConvReLU<Channels, Below>>>>;
using Vgg16 = loss_multiclass_log<fc<
    1000,
    dropout<relu<fc<
        4096,
        dropout<relu<fc<4096, Three<512, Three<512, Three<256, Two<128, Two<64, input_rgb_image_sized<224>>>>>>>>>>>>>>;

int main() try {
    std::vector<matrix<rgb_pixel>> images(8);
    std::vector<unsigned long> const labels(8, 1);
    for (auto& image : images) image.set_size(224, 224);
    Vgg16 net;
    dnn_trainer<Vgg16> trainer(net, sgd(0, 0.9));
    trainer.set_learning_rate(0.01);
    trainer.set_mini_batch_size(8);
    trainer.set_max_num_epochs(90);
    trainer.train(images, labels);
    net(images);
    serialize("vgg16.dat") << net;
} catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
