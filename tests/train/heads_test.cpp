// labels: threads
// Networks that end in several outputs: losses by name, what they say of each, targets of several kinds.
#include <strata/strata.hpp>  // first: heads need no other header

#include <strata/distributed.hpp>
#include <strata/testing/gradient_check.hpp>

#include "../reference/reference.hpp"
#include "small_training.hpp"

using namespace strata;

namespace {

using Trunk = Sequential<Conv2d<4, 3, SamePadding>, BatchNorm2d<>, ReLU>;
using Net =
    Network<Input<2, 8, 8>, Named<"trunk", Trunk>,
            Heads<Named<"classes", Flatten, Linear<3>>, Named<"map", Conv2d<2, 1>>, Named<"box", Flatten, Linear<2>>>>;
static_assert(Net::output_shape == Shape<3 + 2 * 64 + 2>{});

/// The losses of those heads, in another order.
auto losses() {
    return Losses{On<"box">(MSE{}, {.weight = 0.5}), On<"classes">(CrossEntropy{.ignore_index = 255}),
                  On<"map">(WeightedCrossEntropy<2>{{1, 2}, 0, 255})};
}

/// Images with a class, a class for each pixel, and two numbers.
Dataset answers(std::size_t count) {
    std::vector<float> pixels(count * 128), boxes;
    std::vector<int> labels;
    Random random(4, Purpose::user);
    for (float& pixel : pixels) pixel = static_cast<float>(random.uniform(-1, 1));
    for (std::size_t i = 0; i < count; ++i) {
        float const* const x = pixels.data() + i * 128;
        labels.push_back(i % 5 == 2 ? 255 : x[0] > 0.3f ? 2 : x[0] < -0.3f ? 0 : 1);
        for (int p = 0; p < 64; ++p) labels.push_back(p == 9 ? 255 : x[p] > 0 ? 1 : 0);
        boxes.push_back(x[3]);
        boxes.push_back(x[70] + 1);
    }
    return from_memory(std::move(pixels), {2, 8, 8}, labels, 3, 255).with_targets(std::move(boxes), 2);
}

FitOptions quiet(int epochs, int batch_size) {
    FitOptions options;
    options.epochs = epochs;
    options.batch_size = batch_size;
    options.progress = ProgressStyle::none;
    return options;
}

template <class... Policies>
auto make(Policies const&... policies) {
    return train<Net>(losses(), SGD{.learning_rate = 0.1, .momentum = 0.9}, policies...);
}
template <class Trainer>
std::vector<double> numbers_of(Trainer const& trainer) {
    std::vector<double> numbers(trainer.model().parameters().begin(), trainer.model().parameters().end());
    for (auto const& record : trainer.state().history) {
        numbers.insert(numbers.end(), {record.train_loss, record.train_accuracy, record.test_loss});
        for (auto const& head : record.heads) numbers.insert(numbers.end(), {head.train_loss, head.test_loss});
    }
    return numbers;
}

}  // namespace

TEST_CASE("heads with a loss each have PyTorch's loss and gradients") {
    using Small = Network<Input<6>, detail::InputAsParameterLayer<5>,
                          Heads<Named<"classes", Linear<4>>, Named<"numbers", Linear<3>>>>;
    auto const loss = detail::loss_of<Small>(Losses{On<"classes">(CrossEntropy{}), On<"numbers">(MSE{}, {0.5})});
    Model<Small, Float64> model(1);
    std::vector<double> parameters;
    for (auto const& [seed, count] : {std::pair{1u, 30u}, {2u, 24u}, {3u, 4u}, {4u, 18u}, {6u, 3u}})
        for (double const value : reference_values(seed, count)) parameters.push_back(value);
    std::copy(parameters.begin(), parameters.end(), model.parameters().begin());
    std::vector<std::int32_t> labels;
    for (std::uint32_t i = 0; i < 5; ++i) labels.push_back(i == 1 ? -100 : reference_label(5, i, 4));
    std::vector<double> const inputs(30), targets = reference_values(7, 15);
    Batch const batch{.size = 5,
                      .shape = {1, 1, 6},
                      .type = DataType::float64,
                      .inputs = inputs.data(),
                      .labels = labels.data(),
                      .target_type = DataType::float64,
                      .targets = targets.data()};
    CpuExecutor<Small, Float64, std::remove_const_t<decltype(loss)>> executor(Cpu{.threads = 2}, loss);
    StepResult const result = executor.gradients(model, batch, {});
    CHECK(reference_difference(std::vector{result.loss}, "heads/5x6/loss") < 1e-14);
    std::vector<double> const gradient(executor.gradient().begin(), executor.gradient().end());
    CHECK(reference_difference(gradient, "heads/5x6/dx") < 1e-14);
    CHECK(result.losses["classes"].counted == 4);
    CHECK(result.losses["classes"].loss + 0.5 * result.losses["numbers"].loss == result.loss);
    CHECK(executor.evaluate(model, batch, nullptr, nullptr).loss == result.loss);
    CHECK_THROWS_WITH_AS(static_cast<void>(result.losses["other"]), "there is no loss of a head \"other\"", Error);
    CHECK(check_gradients<Net, 3, 2>(losses()).error < 1e-5);  // through a BatchNorm of three samples
}

TEST_CASE("training with heads: every number by name, the same bits for threads, ranks and after a resume") {
    TemporaryDirectory const directory;
    auto const data = answers(42), test = answers(9);
    auto one = make(Cpu{.threads = 1});
    std::vector<LossParts> steps;
    auto options = quiet(3, 16);
    options.on_step = [&](StepEvent const& event) {
        steps.push_back(event.result.losses);
        if (event.step == 5) one.save_checkpoint(directory / "middle");
    };
    one.fit(data, test, options);
    auto const expected = numbers_of(one);
    auto two = make(Cpu{.threads = 2});
    two.fit(data, test, quiet(3, 16));
    CHECK(numbers_of(two) == expected);
    auto resumed = make(Cpu{.threads = 2});
    resumed.load_checkpoint(directory / "middle");
    resumed.fit(data, test, quiet(3, 16));
    CHECK(numbers_of(resumed) == expected);
    std::mutex checking;
    Threads::run_ranks(2, [&](Threads communicator) {
        auto trainer = make(Cpu{.threads = 1}, DataParallel{communicator});
        trainer.fit(data, test, quiet(3, 16));
        std::lock_guard const lock(checking);
        CHECK(numbers_of(trainer) == expected);
    });

    auto const& record = one.state().history.back();
    CHECK(record.train_loss == doctest::Approx(0.5 * record.head("box").train_loss + record.head("classes").train_loss +
                                               record.head("map").train_loss)
                                   .epsilon(1e-14));
    LossPart map;
    for (std::size_t i = 6; i < 9; ++i) map.add(steps[i]["map"]);
    CHECK(record.head("map").train_loss == map.loss);
    CHECK(record.head("map").train_accuracy == map.accuracy());
    CHECK(map.counted == 42 * 63);
    CHECK(record.head("classes").train_accuracy == record.train_accuracy);
    CHECK(is_nan(record.head("box").train_accuracy));
    auto const back = history_from_text(to_text(one.state().history)).back();
    CHECK(back.head("box").test_loss == record.head("box").test_loss);
    CHECK(back.heads.size() == 3);

    auto const all = one.evaluate(test);
    CHECK(all.loss == record.test_loss);
    CHECK(all.losses["map"].loss == record.head("map").test_loss);
    CHECK(all.losses["map"].counted == 9 * 63);
    CHECK(one.evaluate(test, 4).loss == doctest::Approx(all.loss).epsilon(1e-6));  // sums of Float32's losses
    CHECK(evaluate(one.model(), test, losses()).loss == all.loss);
    auto mixed = make(Cpu{.threads = 1}, Mixed<bfloat16>{});
    mixed.fit(data, test, quiet(3, 16));
    CHECK(mixed.state().history.back().train_loss == doctest::Approx(record.train_loss).epsilon(0.05));
}

TEST_CASE("outputs by name, and names in files") {
    auto const data = answers(5);
    auto trainer = make(Cpu{.threads = 1});
    auto const& model = trainer.model();
    std::vector<std::string> names;
    for (auto const& tensor : model.tensors()) names.push_back(tensor.name);
    CHECK(names[7] == "classes.1.weight");
    CHECK(names[9] == "map.weight");
    CHECK(names.back() == "box.1.bias");
    auto const predicted = trainer.predict(data);
    auto const box = head<"box", Net>(predicted);
    auto const map = head<"map", Net>(predicted);
    CHECK(box.size() == 5);
    CHECK(&box[1][0] == predicted.data() + 2 * 133 - 2);
    CHECK(&map[0][0] == predicted.data() + 3);
    CHECK(map[0].size() == 128);
    Workspace<Net> workspace;
    OneBatch const batch(data.first(1));
    auto const at_once = workspace.run(model, *batch);
    CHECK(head<"box", Net>(at_once)[0][1] == box[0][1]);
    auto const folded = fold_batch_norm(model);
    Workspace<FoldedNetwork<Net>> other;
    auto const numbers = other.run(folded, *batch);
    CHECK(head<"box", FoldedNetwork<Net>>(numbers)[0][1] == doctest::Approx(box[0][1]).epsilon(1e-5));
    CHECK(error_of([&] { static_cast<void>(head<"box", Net>(predicted.size() > 5 ? at_once.first(5) : at_once)); }) ==
          "head: 5 numbers are not a whole number of outputs of 133");
}

TEST_CASE("labels and targets that do not fit the heads are refused") {
    auto const data = answers(6);
    auto trainer = make(Cpu{.threads = 1});
    std::vector<float> const x(2 * 128);
    CHECK(error_of([&] { trainer.fit(from_memory(x, {2, 8, 8}, std::vector<int>(2 * 65), 3), quiet(1, 2)); }) ==
          "fit: the loss needs targets, the dataset has labels");
    CHECK(error_of([&] { trainer.fit(from_memory(x, {2, 8, 8}, std::vector<float>(4), 2), quiet(1, 2)); }) ==
          "fit: the loss needs labels, the dataset has targets");
    std::vector<int> labels(2 * 65);
    CHECK(error_of([&] {
              trainer.fit(from_memory(x, {2, 8, 8}, std::vector<int>(2), 3).with_targets(std::vector<float>(4), 2),
                          quiet(1, 2));
          }) == "fit: a sample has 1 labels, the network's heads take 65");
    labels[65 + 11] = 2;  // a class of the first head, and none of the second
    auto const wrong = from_memory(x, {2, 8, 8}, labels, 3).with_targets(std::vector<float>(4), 2);
    OneBatch const batch(wrong);
    auto const text = error_of([&] { trainer.train_step(*batch); });
    CHECK(text.find("train_step: label 2 of map of sample ") == 0);
    CHECK(text.find(" at place 10, expected 0 to 1") != std::string::npos);
    CHECK(error_of([&] { static_cast<void>(data.subset({1}).with_targets(std::vector<float>(2), 2)); }) ==
          "with_targets: this is a subset: give the whole dataset its targets");
    CHECK(error_of([&] {
              static_cast<void>(train<Net>(
                  Losses{On<"box">(MSE{}, {.weight = -1}), On<"map">(CrossEntropy{}), On<"classes">(CrossEntropy{})}));
          }) == "Losses: the weight of box is -1, expected at least 0");
    CHECK(detail::loss_text<typename Net::OutputShape>(detail::loss_of<Net>(losses())).find("box, weight 0.5") !=
          std::string::npos);
}
