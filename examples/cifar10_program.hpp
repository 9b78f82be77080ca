// The command line shared by the CIFAR-10 programs: `train` and `evaluate` for any network and recipe.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <strata/strata.hpp>

namespace cifar10_program {

/// What the command line says, and before it is read, the defaults of a program's recipe.
struct Options {
    enum class Command { none, train, evaluate } command = Command::none;
    std::string data;
    int epochs = 10;
    int batch_size = 4;
    double learning_rate = 0.001;
    int threads = 0;        ///< 0: all processors
    std::int64_t seed = 0;  ///< not negative
    std::string save, checkpoint, resume, weights, strip_prefix;
    std::vector<double> mean{0.5, 0.5, 0.5}, std{0.5, 0.5, 0.5};
    bool batch_size_given = false;

    [[nodiscard]] strata::Cpu cpu() const { return {.threads = threads}; }
    [[nodiscard]] strata::Seed seed_policy() const { return {static_cast<std::uint64_t>(seed)}; }
};

/// Three numbers separated by commas. Throws strata::Error for anything else.
inline std::vector<double> three_numbers(char const* option, std::string const& text) {
    std::vector<double> numbers;
    char const* at = text.c_str();
    while (true) {
        char* stop = nullptr;  // strtod, because libc++ has std::from_chars of a double from version 20 only
        double const number = std::strtod(at, &stop);
        if (stop == at || (*stop != ',' && *stop != '\0') || !std::isfinite(number)) break;
        numbers.push_back(number);
        if (*stop == '\0' && numbers.size() == 3) return numbers;
        if (*stop == '\0') break;
        at = stop + 1;
    }
    strata::fail(option, " is \"", text,
                 "\", expected three numbers separated by commas, one each for red, green and blue");
}

/// Refuses, before hours of training, a file that could not be written after them.
inline void check_writable(char const* option, std::string const& path) try {
    strata::AtomicFile::check(path);
} catch (strata::Error const& error) { strata::fail(option, ": ", error.what()); }

/// Reads the command line over the defaults. Throws CLI::ParseError (CLI::Success where help was
/// asked for) or strata::Error.
inline Options parse(int argument_count, char** arguments, CLI::App& program, Options options) {
    std::string mean, std;
    program.require_subcommand(1);
    auto* const train = program.add_subcommand("train", "Train the network, then evaluate it on the test images");
    auto* const evaluate = program.add_subcommand("evaluate", "Evaluate saved weights on the test images");
    train->add_option("--data", options.data, "Directory with the six .bin files of CIFAR-10, binary version")
        ->required()
        ->type_name("DIR");
    evaluate->add_option("--data", options.data, "Directory with test_batch.bin of CIFAR-10, binary version")
        ->required()
        ->type_name("DIR");
    for (auto* const command : {train, evaluate})
        command->add_option("--threads", options.threads, "Worker threads [all processors]")->type_name("T");
    train->add_option("--epochs", options.epochs, "Epochs of the whole training")
        ->capture_default_str()
        ->type_name("N");
    auto* const batch_size =
        train->add_option("--batch-size", options.batch_size, "Images a step")->capture_default_str()->type_name("B");
    train->add_option("--learning-rate", options.learning_rate, "Learning rate")->capture_default_str()->type_name("R");
    train->add_option("--seed", options.seed, "Of initialisation, order and augmentation")
        ->capture_default_str()
        ->type_name("S");
    train->add_option("--save", options.save, "Write the trained weights here (safetensors)")->type_name("FILE");
    train->add_option("--checkpoint", options.checkpoint, "Write a checkpoint here after every epoch")
        ->type_name("FILE");
    train
        ->add_option("--resume", options.resume,
                     "Continue from this checkpoint: weights, optimizer, position, seed and batch size are its; give "
                     "--epochs and --learning-rate again where they were not the defaults")
        ->type_name("FILE");
    evaluate->add_option("--weights", options.weights, "Weights to evaluate (safetensors, PyTorch's names)")
        ->required()
        ->type_name("FILE");
    evaluate
        ->add_option("--strip-prefix", options.strip_prefix,
                     "Of the names in the file, \"module.\" where PyTorch's DataParallel wrote it")
        ->type_name("PREFIX");
    evaluate->add_option("--mean", mean, "Mean of the channels after division by 255 [as in training]")
        ->type_name("R,G,B");
    evaluate->add_option("--std", std, "Standard deviation of the channels [as in training]")->type_name("R,G,B");

    // CLI11 would only say that a subcommand is required.
    std::string_view const first = argument_count > 1 ? arguments[1] : "";
    if (first != "train" && first != "evaluate" && first != "--help" && first != "-h")
        strata::fail(
            first.empty() ? std::string("no command given") : strata::concatenate("unknown command \"", first, "\""),
            ", expected train or evaluate");
    program.parse(argument_count, arguments);

    options.command = train->parsed() ? Options::Command::train : Options::Command::evaluate;
    options.batch_size_given = batch_size->count() > 0;
    if (evaluate->count("--mean") > 0) options.mean = three_numbers("--mean", mean);
    if (evaluate->count("--std") > 0) options.std = three_numbers("--std", std);
    for (double const deviation : options.std)
        if (deviation <= 0) strata::fail("--std is \"", std, "\", expected positive numbers");
    if (options.epochs < 0) strata::fail("--epochs is ", options.epochs, ", expected at least 0");
    if (options.batch_size < 1) strata::fail("--batch-size is ", options.batch_size, ", expected at least 1");
    if (!(options.learning_rate > 0) || !std::isfinite(options.learning_rate))
        strata::fail("--learning-rate is ", options.learning_rate, ", expected a positive number");
    if (options.seed < 0) strata::fail("--seed is ", options.seed, ", expected at least 0");
    bool const threads_given = train->count("--threads") + evaluate->count("--threads") > 0;
    if (threads_given && options.threads < 1) strata::fail("--threads is ", options.threads, ", expected at least 1");
    if (!options.save.empty() && options.save == options.checkpoint)
        strata::fail("--save and --checkpoint are both \"", options.save, "\", expected two files");
    if (train->count("--save") > 0) check_writable("--save", options.save);
    if (train->count("--checkpoint") > 0) check_writable("--checkpoint", options.checkpoint);
    return options;
}

/// The line that both commands end with.
inline void print_accuracy(strata::Evaluation const& evaluation) {
    std::printf("accuracy %.2f %% (%lld/%lld)\n", 100 * evaluation.accuracy, static_cast<long long>(evaluation.correct),
                static_cast<long long>(evaluation.samples));
}

/// A whole program. `make_trainer(options)` gives the trainer of the recipe, `augment(dataset)` the training images as
/// it wants them, before normalisation. Returns the exit code.
template <class MakeTrainer, class Augment>
int run(int argument_count, char** arguments, char const* name, char const* description, Options const& defaults,
        MakeTrainer make_trainer, Augment augment) {
    CLI::App program(description, name);
    try {
        Options options = parse(argument_count, arguments, program, defaults);
        bool const training = options.command == Options::Command::train;
        auto trainer = make_trainer(options);
        if (!options.weights.empty()) trainer.load_weights(options.weights, {.strip_prefix = options.strip_prefix});
        if (!options.resume.empty()) {
            trainer.load_checkpoint(options.resume);
            auto const batch_size = trainer.state().batch_size;
            if (!options.batch_size_given && batch_size > 0) options.batch_size = static_cast<int>(batch_size);
        }
        auto const data = training ? strata::cifar10(options.data)
                                   : strata::TrainTest{.train = {}, .test = strata::cifar10_test(options.data)};
        strata::Normalize const normalize{options.mean, options.std};
        auto const test = data.test.with(normalize);
        if (training) {
            using Net = typename decltype(trainer)::ModelType::Network;
            std::puts(strata::summary<Net>().c_str());
            strata::FitOptions fit{.epochs = options.epochs, .batch_size = options.batch_size};
            fit.checkpoint = options.checkpoint;
            trainer.fit(augment(data.train).with(normalize), test, fit);
            if (!options.save.empty()) strata::save(trainer.model(), options.save);
        }
        auto const evaluation = trainer.evaluate(test);
        std::printf("%s\n", evaluation.confusion(test.classes()).table(test.class_names()).c_str());
        print_accuracy(evaluation);
        return 0;
    } catch (CLI::Success const& help) { return program.exit(help); } catch (std::exception const& error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
        return 1;
    }
}

}  // namespace cifar10_program
