// The command lines of cifar10_lenet and cifar10_resnet20, on tiny files.
// labels: threads examples
#include <algorithm>
#include <map>
#include <strata/io/safetensors.hpp>

#include "program.hpp"

namespace {

/// Six files of twenty images in cifar/.
void write_cifar10(Directory const& directory) {
    int number = 0;
    for (char const* const name :
         {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
        std::string records;
        for (int i = 0; i < 20; ++i) {
            records += static_cast<char>(i % 10);
            records += image_of_class(i % 10, number++, 3, 32, 32);
        }
        directory.write(std::string("cifar/") + name + ".bin", records);
    }
}

/// The counts of a line `accuracy 63.95 % (6395/10000)`, whose percentage must be theirs.
int correct_of_20(std::string const& line) {
    int correct = -1;
    REQUIRE(std::sscanf(line.c_str(), "accuracy %*f %% (%d/20)", &correct) == 1);
    char expected[64];
    std::snprintf(expected, sizeof expected, "accuracy %.2f %% (%d/20)", 5.0 * correct, correct);
    CHECK(line == expected);
    return correct;
}

}  // namespace

TEST_CASE("train learns, saves, and evaluate finds the same accuracy") {
    Directory const directory;
    write_cifar10(directory);
    auto const train = directory.run(
        "cifar10_lenet",
        "train --data cifar --epochs 6 --learning-rate 0.01 --threads 2 --seed 3 --save lenet.safetensors");
    INFO(train.output, train.errors);
    CHECK(train.exit_code == 0);
    CHECK(train.errors.empty());
    CHECK(train.output.find("62,006") != std::string::npos);  // parameters, in the summary
    CHECK(train.output.find("epoch 6/6") != std::string::npos);
    CHECK(correct_of_20(train.last_line()) >= 10);  // guessing gives 2

    auto const evaluate =
        directory.run("cifar10_lenet", "evaluate --data cifar --weights lenet.safetensors --threads 1");
    CHECK(evaluate.exit_code == 0);
    CHECK(evaluate.last_line() == train.last_line());
    // The defaults, spelled out, and with '='.
    auto const spelled = directory.run(
        "cifar10_lenet", "evaluate --weights=lenet.safetensors --mean=0.5,0.5,0.5 --std .5,.5,.5 --data=cifar");
    CHECK(spelled.output == evaluate.output);
    // Other inputs, other answers.
    for (char const* const inputs : {"--mean 9,9,9", "--std 90,90,90"}) {
        auto const other =
            directory.run("cifar10_lenet", std::string("evaluate --data cifar --weights lenet.safetensors ") + inputs);
        CHECK(other.exit_code == 0);
        CHECK(correct_of_20(other.last_line()) < correct_of_20(train.last_line()));
    }
}

TEST_CASE("a resumed training ends with the same bytes as one that never stopped") {
    Directory const directory;
    write_cifar10(directory);
    std::string const options = "--learning-rate 0.005 ";
    auto const straight =
        directory.run("cifar10_lenet",
                      "train --data cifar --epochs 3 --batch-size 7 --seed 5 --save straight.safetensors " + options);
    REQUIRE(straight.exit_code == 0);
    auto const first = directory.run(
        "cifar10_lenet", "train --data cifar --epochs 1 --batch-size 7 --seed 5 --checkpoint state.ckpt " + options);
    REQUIRE(first.exit_code == 0);
    // Seed and batch size are the checkpoint's.
    auto const second = directory.run(
        "cifar10_lenet",
        "train --data cifar --epochs 3 --threads 2 --resume state.ckpt --save resumed.safetensors " + options);
    INFO(second.output, second.errors);
    REQUIRE(second.exit_code == 0);
    CHECK(second.output.find("epoch 1/3") == std::string::npos);
    CHECK(directory.read("straight.safetensors").size() > 200'000);
    CHECK(directory.read("straight.safetensors") == directory.read("resumed.safetensors"));
}

TEST_CASE("ResNet-20 has the names of the PyTorch implementation") {
    Directory const directory;
    write_cifar10(directory);
    auto const run =
        directory.run("cifar10_resnet20", "train --data cifar --epochs 1 --batch-size 32 --save resnet20.safetensors");
    INFO(run.output, run.errors);
    REQUIRE(run.exit_code == 0);
    correct_of_20(run.last_line());

    // The state dict's shapes, in PyTorch's notation.
    std::map<std::string, std::vector<std::int64_t>> expected;
    auto const add_convolution = [&](std::string const& name, std::int64_t out, std::int64_t in) {
        expected[name + ".weight"] = {out, in, 3, 3};
    };
    auto const add_norm = [&](std::string const& name, std::int64_t channels) {
        for (char const* const tensor : {".weight", ".bias", ".running_mean", ".running_var"})
            expected[name + tensor] = {channels};
        expected[name + ".num_batches_tracked"] = {};
    };
    add_convolution("conv1", 16, 3);
    add_norm("bn1", 16);
    std::int64_t in = 16;
    for (int layer = 1; layer <= 3; ++layer)
        for (int block = 0; block < 3; ++block) {
            std::int64_t const out = std::int64_t{8} << layer;
            std::string const name = "layer" + std::to_string(layer) + "." + std::to_string(block);
            add_convolution(name + ".conv1", out, in);
            add_norm(name + ".bn1", out);
            add_convolution(name + ".conv2", out, out);
            add_norm(name + ".bn2", out);
            in = out;
        }
    expected["linear.weight"] = {10, 64};
    expected["linear.bias"] = {10};

    strata::SafetensorsFile const file(directory / "resnet20.safetensors");
    CHECK(file.tensors().size() == expected.size());
    for (auto const& entry : expected) {
        auto const* const tensor = file.find(entry.first);
        INFO(entry.first);
        REQUIRE(tensor != nullptr);
        CHECK(tensor->shape == entry.second);
    }
    auto const evaluate = directory.run("cifar10_resnet20", "evaluate --data cifar --weights resnet20.safetensors");
    CHECK(evaluate.last_line() == run.last_line());
}

TEST_CASE("wrong command lines end in one sentence and leave no file") {
    Directory const directory;
    write_cifar10(directory);
    directory.write("noise.safetensors", "these are not weights, and not a checkpoint");
    auto const before = directory.files();
    struct Case {
        char const* arguments;
        char const* part;
    };
    for (auto const& wrong : std::initializer_list<Case>{
             {"", "expected train or evaluate"},
             {"test --data cifar", "unknown command \"test\""},
             {"--data cifar", "unknown command \"--data\""},
             {"train", "--data is required"},
             {"train --data cifar --colour red", "--colour"},
             {"train --data cifar lenet", "lenet"},
             {"train --data cifar --mean 1,2,3", "--mean"},
             {"train --data cifar --epochs", "--epochs"},
             {"train --data cifar --epochs -1", "--epochs is -1, expected at least 0"},
             {"train --data cifar --epochs ten", "--epochs"},
             {"train --data cifar --epochs 99999999999", "--epochs"},
             {"train --data cifar --epochs 1 --epochs 2", "--epochs"},
             {"train --data cifar --batch-size 0", "--batch-size is 0"},
             {"train --data cifar --learning-rate 0", "--learning-rate is 0"},
             {"train --data cifar --learning-rate nan", "--learning-rate is nan"},
             {"train --data cifar --threads 0", "--threads is 0"},
             {"train --data cifar --threads 1000000", "threads"},
             {"train --data cifar --seed -1", "--seed is -1"},
             {"train --data nowhere --save lenet.safetensors", "nowhere"},
             {"train --data cifar --save nowhere/lenet.safetensors", "nowhere/lenet.safetensors"},
             {"train --data cifar --save cifar",
              "--save: cifar: cannot write the file: something that is not a regular"},
             {"train --data cifar --save cifar/", "--save: cifar/: cannot write the file"},
             {"train --data cifar --save same --checkpoint same", "expected two files"},
             {"train --data cifar --checkpoint nowhere/state.ckpt", "--checkpoint"},
             {"train --data cifar --resume nowhere.ckpt --save lenet.safetensors", "nowhere.ckpt"},
             {"train --data cifar --resume noise.safetensors --save lenet.safetensors", "noise.safetensors"},
             {"evaluate --data cifar", "--weights is required"},
             {"evaluate --weights noise.safetensors", "--data is required"},
             {"evaluate --data cifar --weights nowhere.safetensors", "nowhere.safetensors"},
             {"evaluate --data cifar --weights noise.safetensors", "noise.safetensors"},
             {"evaluate --data cifar --weights noise.safetensors --epochs 3", "--epochs"},
             {"evaluate --data cifar --weights noise.safetensors --mean 1,2",
              "--mean is \"1,2\", expected three numbers"},
             {"evaluate --data cifar --weights noise.safetensors --mean 1,2,x", "--mean"},
             {"evaluate --data cifar --weights noise.safetensors --std 1,2,", "--std"},
             {"evaluate --data cifar --weights noise.safetensors --std 1,0,1", "--std is \"1,0,1\", expected positive"},
         }) {
        INFO(wrong.arguments);
        check_one_sentence(directory.run("cifar10_lenet", wrong.arguments), wrong.part);
    }
    check_one_sentence(directory.run("cifar10_resnet20", "evaluate --data cifar --weights noise.safetensors"),
                       "noise.safetensors");
    CHECK(directory.files() == before);
}

TEST_CASE("weights of another network are refused with every difference") {
    Directory const directory;
    write_cifar10(directory);
    REQUIRE(directory.run("cifar10_lenet", "train --data cifar --epochs 0 --save lenet.safetensors").exit_code == 0);
    auto const run = directory.run("cifar10_resnet20", "evaluate --data cifar --weights lenet.safetensors");
    CHECK(run.exit_code == 1);
    CHECK(run.output.empty());
    CHECK(run.errors.find("missing: \"bn1.weight\"") != std::string::npos);
    CHECK(run.errors.find("unexpected: \"fc3.bias\"") != std::string::npos);
    CHECK(std::count(run.errors.begin(), run.errors.end(), '\n') < 25);
}

TEST_CASE("weights that PyTorch wrote with a prefix are evaluated, with the test images alone") {
    Directory const directory;
    write_cifar10(directory);
    REQUIRE(directory.run("cifar10_lenet", "train --data cifar --epochs 0 --save lenet.safetensors").exit_code == 0);
    auto const plain = directory.run("cifar10_lenet", "evaluate --data cifar --weights lenet.safetensors");
    strata::SafetensorsFile const file(directory / "lenet.safetensors");
    std::vector<strata::TensorView> tensors;
    for (auto const& [name, tensor] : file.tensors())
        tensors.push_back({"module." + name, tensor.shape, *tensor.type,
                           const_cast<std::byte*>(file.data(tensor).data())});  // only read
    strata::write_safetensors(directory / "parallel.safetensors", tensors);
    directory.write("test/test_batch.bin", directory.read("cifar/test_batch.bin"));

    auto const refused = directory.run("cifar10_lenet", "evaluate --data test --weights parallel.safetensors");
    CHECK(refused.exit_code == 1);
    CHECK(refused.errors.find("without the prefix \"module.\"") < refused.errors.find('\n'));
    auto const evaluated =
        directory.run("cifar10_lenet", "evaluate --data test --weights parallel.safetensors --strip-prefix module.");
    CHECK(evaluated.errors.empty());
    CHECK(evaluated.output == plain.output);
    check_one_sentence(directory.run("cifar10_lenet", "train --data test --epochs 0"), "data_batch_1.bin");
}

TEST_CASE("help goes to standard output") {
    Directory const directory;
    for (char const* const arguments : {"--help", "train --help", "evaluate -h"}) {
        auto const run = directory.run("cifar10_lenet", arguments);
        CHECK(run.exit_code == 0);
        CHECK(run.errors.empty());
        CHECK(run.output.find("--help") != std::string::npos);
    }
}
