// The quickstart and the tutorials run to their end, on files like those of Fashion-MNIST with less in them.
// labels: threads examples
#include <algorithm>

#include "program.hpp"

namespace {

std::string big_endian(std::uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
            static_cast<char>(value)};
}

/// Images and labels in mnist/: a few hundred different ones, over and over.
void write_idx(Directory const& directory, std::string const& name, std::uint32_t count) {
    std::vector<std::string> images;
    for (int i = 0; i < 300; ++i) images.push_back(image_of_class(i % 10, i, 1, 28, 28));
    std::string pixels = big_endian(0x803) + big_endian(count) + big_endian(28) + big_endian(28);
    std::string labels = big_endian(0x801) + big_endian(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        pixels += images[i % images.size()];
        labels += static_cast<char>(i % 10);
    }
    directory.write("mnist/" + name + "-images-idx3-ubyte", pixels);
    directory.write("mnist/" + name + "-labels-idx1-ubyte", labels);
}

}  // namespace

TEST_CASE("the quickstart ends with the accuracy, the table and the model") {
    Directory const directory;
    write_idx(directory, "train", 900);
    write_idx(directory, "t10k", 100);
    auto const run = directory.run("quickstart", "mnist");
    INFO(run.output, run.errors);
    CHECK(run.exit_code == 0);
    CHECK(run.output.find("61,706") != std::string::npos);
    CHECK(run.output.find("Ankle boot") != std::string::npos);
    CHECK(run.last_line().find("test accuracy ") == 0);
    CHECK(run.last_line().find("fashion_mnist_lenet.safetensors") != std::string::npos);
    CHECK(directory.files().count("fashion_mnist_lenet.safetensors") == 1);
}

TEST_CASE("every tutorial tells what it promises") {
    Directory const directory;
    write_idx(directory, "train", 20'000);
    write_idx(directory, "t10k", 2'000);
    struct Case {
        char const* program;
        char const* part;
    };
    for (auto const& tutorial : std::initializer_list<Case>{
             {"01_five_lines", "100.00 % of the test images are recognised"},
             {"02_policies", "(2000/2000)"},
             {"03_own_layer", "learned slopes:"},
             {"04_own_training_loop",
              "the two models are equal to the bit\na step on a broken image is skipped\n621 steps, 620 updates\n"},
             {"05_inference_threads", "batches of 100: 2000 of 2000 images recognised"},
             {"06_pytorch_weights", "got 9 differences"},
             {"11_denoising_autoencoder", "mean squared error of the noisy images"},
             {"12_gan", "400 steps; the generator is in 12_gan_generator.safetensors"},
#ifdef STRATA_TEST_OPENMP
             {"08_eigen_openmp", "of 2000 answers are right"},
#endif
         }) {
        auto const run = directory.run(tutorial.program, "mnist");
        INFO(tutorial.program, "\n", run.output, run.errors);
        CHECK(run.exit_code == 0);
        CHECK(run.errors.empty());
        CHECK(run.output.find(tutorial.part) != std::string::npos);
    }
    // Tutorial 6 saved without the prefix what the file of its own making has with it.
    auto const again = directory.run("06_pytorch_weights", "mnist 06_pytorch_weights.safetensors");
    CHECK(again.exit_code == 0);
    CHECK(again.output.find("accuracy with these weights: 100.00 %") != std::string::npos);
}

TEST_CASE("the tutorial on text learns one, and writes") {
    Directory const directory;
    std::string text;
    for (int k = 0; k < 100; ++k) text += "the quick brown fox jumps over the lazy dog. ";
    directory.write("text", text);
    auto const run = directory.run("13_characters", "text 12");
    INFO(run.output, run.errors);
    CHECK(run.exit_code == 0);
    auto const written = run.output.find("the network writes:");
    REQUIRE(written != std::string::npos);
    CHECK(run.output.find("quick brown fox jumps over the lazy", written) != std::string::npos);
    directory.write("short", "a few words");
    check_one_sentence(directory.run("13_characters", "short"),
                       "short: 11 characters can be read, expected 2000 or more");
}

TEST_CASE("the tutorial on scaling prints its tables and draws them") {
    Directory const directory;
    auto const run = directory.run("10_scaling", "here.svg");
    INFO(run.output, run.errors);
    CHECK(run.exit_code == 0);
    CHECK(run.output.find("25 Gbit/s: useful share of the ranks' time") != std::string::npos);
    CHECK(run.last_line() == "drawn into here.svg");
    auto const picture = directory.read("here.svg");
    CHECK(picture.find("<svg ") == 0);
    CHECK(picture.find("</svg>") != std::string::npos);
    CHECK(picture.size() < 60'000);
    check_one_sentence(directory.run("10_scaling", "nowhere/here.svg"), "cannot write nowhere/here.svg");
}

TEST_CASE("without data one sentence says so") {
    Directory const directory;
    for (char const* const program : {"quickstart", "01_five_lines", "02_policies", "04_own_training_loop",
                                      "05_inference_threads", "06_pytorch_weights"}) {
        INFO(program);
        check_one_sentence(directory.run(program, "nowhere"), "there is no readable train-images-idx3-ubyte");
    }
    check_one_sentence(directory.run("quickstart", "one two"), "usage: quickstart [DIR]");
    CHECK(directory.files().empty());
}
