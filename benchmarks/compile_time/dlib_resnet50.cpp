// The program of strata_resnet50.cpp in dlib. Residual blocks as dlib's examples write them
// (dnn_imagenet_train_ex.cpp).
#include <dlib/dnn.h>

#include <exception>
#include <iostream>

using namespace dlib;

template <long Channels, int Kernel, int Step, class Below>
using Conv = bn_con<add_layer<con_<Channels, Kernel, Kernel, Step, Step, Kernel / 2, Kernel / 2>, Below>>;
template <long Width, int Step, class Below>
using Bottleneck = Conv<4 * Width, 1, 1, relu<Conv<Width, 3, Step, relu<Conv<Width, 1, 1, Below>>>>>;
template <long Width, int Step, class Below>
using First = relu<add_prev2<Conv<4 * Width, 1, Step, skip1<tag2<Bottleneck<Width, Step, tag1<Below>>>>>>>;
template <long Width, class Below>
using Next = relu<add_prev1<Bottleneck<Width, 1, tag1<Below>>>>;

template <class Below>
using Next64 = Next<64, Below>;
template <class Below>
using Next128 = Next<128, Below>;
template <class Below>
using Next256 = Next<256, Below>;
template <class Below>
using Next512 = Next<512, Below>;
using Stem = add_layer<max_pool_<3, 3, 2, 2, 1, 1>, relu<Conv<64, 7, 2, input_rgb_image_sized<224>>>>;
using ResNet50 = loss_multiclass_log<
    fc<1000,
       avg_pool_everything<repeat<
           2, Next512,
           First<512, 2,
                 repeat<5, Next256,
                        First<256, 2, repeat<3, Next128, First<128, 2, repeat<2, Next64, First<64, 1, Stem>>>>>>>>>>>;

int main() try {
    std::vector<matrix<rgb_pixel>> images(8);
    std::vector<unsigned long> const labels(8, 1);
    for (auto& image : images) image.set_size(224, 224);
    ResNet50 net;
    dnn_trainer<ResNet50> trainer(net, sgd(0, 0.9));
    trainer.set_learning_rate(0.1);
    trainer.set_mini_batch_size(8);
    trainer.set_max_num_epochs(90);
    trainer.train(images, labels);
    net(images);
    serialize("resnet50.dat") << net;
} catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
