// labels: libcxx
// What goes wrong is said in one sentence, and leaves the trainer as it was.
#include "small_training.hpp"

using namespace strata;

namespace {

using Net = Network<Input<6>, Named<"fc1", Linear<8>>, Named<"bn", BatchNorm1d<>>, ReLU, Named<"fc2", Linear<4>>>;

std::vector<float> normal_values(std::size_t count, std::uint64_t seed) {
    Random random(seed, Purpose::user);
    std::vector<float> values(count);
    for (float& v : values) v = static_cast<float>(random.normal());
    return values;
}
std::vector<std::int32_t> some_labels(std::size_t count) {
    std::vector<std::int32_t> labels(count);
    for (std::size_t i = 0; i < count; ++i) labels[i] = static_cast<std::int32_t>(i * i % 4);
    return labels;
}
Dataset some_data(std::size_t count) {
    return from_memory(normal_values(count * 6, 1), {1, 1, 6}, some_labels(count), 4);
}

FitOptions quiet(int epochs, int batch_size) {
    FitOptions options;
    options.epochs = epochs;
    options.batch_size = batch_size;
    options.progress = ProgressStyle::none;
    return options;
}

/// A trainer two steps old, for failures that must not change a bit of it.
struct Trained {
    decltype(train<Net>(Adam{})) trainer = train<Net>(Adam{.learning_rate = 0.01}, Seed{3});
    TemporaryDirectory directory;
    Snapshot before;
    Trained() {
        trainer.fit(some_data(16), quiet(1, 8));
        before = snapshot_of(trainer, directory);
    }
    template <class Action>
    std::string error(Action action) {
        std::string const text = error_of(action);
        Snapshot const after = snapshot_of(trainer, directory);
        CHECK_MESSAGE(before == after, text, ": ", difference(before, after));
        return text;
    }
};

}  // namespace

TEST_CASE("data that do not fit the network are refused") {
    Trained t;
    auto const fit = [&](Dataset const& data) { return t.error([&] { t.trainer.fit(data, quiet(9, 4)); }); };
    CHECK(fit(from_memory(normal_values(50, 1), {1, 1, 5}, some_labels(10), 4)) ==
          "fit: the data's samples are 1 x 1 x 5, the network's input is 6");
    CHECK(fit(from_memory(normal_values(60, 1), {1, 1, 6})) == "fit: the loss needs labels, the dataset has none");
    CHECK(fit(Dataset{}) == "fit: the dataset is empty");
    CHECK(t.error([&] { static_cast<void>(t.trainer.predict(Dataset{})); }) == "predict: the dataset is empty");
    CHECK(fit(from_memory(normal_values(60, 1), {1, 1, 6}, some_labels(10), 5)) ==
          "fit: the dataset has 5 classes, the network 4 outputs");
    CHECK_CONTAINS(
        t.error([&] { t.trainer.fit(some_data(8), from_memory(normal_values(60, 1), {1, 1, 6}), quiet(9, 4)); }),
        "fit (test data): the loss needs labels");
    CHECK_CONTAINS(
        t.error([&] { static_cast<void>(t.trainer.evaluate(from_memory(normal_values(60, 1), {1, 1, 6}))); }),
        "evaluate: the loss needs labels");
    CHECK_CONTAINS(t.error([&] { static_cast<void>(t.trainer.predict(from_memory(normal_values(50, 1), {1, 1, 5}))); }),
                   "predict: the data's samples are 1 x 1 x 5");
    CHECK_CONTAINS(t.error([&] { t.trainer.fit(some_data(8), quiet(-1, 4)); }), "fit: epochs is -1");
    CHECK_CONTAINS(t.error([&] { t.trainer.fit(some_data(8), quiet(9, 0)); }), "batch_size is 0");
    CHECK_CONTAINS(t.error([&] { static_cast<void>(t.trainer.evaluate(some_data(8), 0)); }), "batch_size is 0");
}

TEST_CASE("batches that do not fit are refused") {
    Trained t;
    auto const x = normal_values(18, 1);
    std::vector<std::int32_t> const labels{0, 4, 1}, negative{0, 1, -1}, fine{0, 1, 2};
    auto const step = [&](std::span<float const> samples, std::span<std::int32_t const> l) {
        return t.error([&] { t.trainer.train_step(samples, l); });
    };
    CHECK(step(x, labels) == "train_step: label 4 of sample 1 of the batch, expected 0 to 3");
    CHECK(step(x, negative) == "train_step: label -1 of sample 2 of the batch, expected 0 to 3");
    CHECK_CONTAINS(step(std::span(x).first(17), fine), "train_step: got 17 values for 3 labels, expected 6 a sample");
    CHECK_CONTAINS(step({}, {}), "train_step: a batch of 0 samples, expected at least 1");
    Batch batch{.size = 3, .shape = {1, 1, 6}, .inputs = x.data()};
    CHECK_CONTAINS(t.error([&] { t.trainer.train_step(batch); }), "the loss needs labels, the batch has none");
    batch.labels = fine.data();
    batch.inputs = nullptr;
    CHECK_CONTAINS(t.error([&] { t.trainer.train_step(batch); }), "the batch has no inputs");
    batch.inputs = x.data();
    batch.shape = {1, 1, 7};
    CHECK_CONTAINS(t.error([&] { t.trainer.train_step(batch); }), "1 x 1 x 7");
}

TEST_CASE("BatchNorm with one value a channel is an error, in a last batch too") {
    Trained t;
    std::string const text = "layer bn (BatchNorm1d): one value a channel has no variance";
    auto const x = normal_values(6, 1);
    std::vector<std::int32_t> const label{1};
    CHECK_CONTAINS(t.error([&] { t.trainer.train_step(x, label); }), text);
    auto trainer = train<Net>();
    CHECK_CONTAINS(error_of([&] { trainer.fit(some_data(9), quiet(1, 4)); }), text);
    CHECK(trainer.state().step == 0);
    for (float const v : trainer.model().buffers()) CHECK(std::isfinite(v));
}

TEST_CASE("a number that is not finite stops the training, named, and nothing has changed") {
    Trained t;
    auto x = normal_values(5 * 6, 1);
    auto const labels = some_labels(5);
    for (float const bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        x[3 * 6 + 2] = bad;
        CHECK(t.error([&] { t.trainer.train_step(x, labels); }) ==
              "training step 2: the input of sample 3 of the batch is not finite");
    }
    // The update is skipped where that is asked for; the step counts.
    auto skipping = train<Net>(NonFinite{.skip = true}, Seed{3});
    auto const weights = skipping.snapshot();
    CHECK_FALSE(skipping.train_step(x, labels).finite);
    CHECK(same_bits(weights.parameters(), skipping.model().parameters()));
    CHECK(same_bits(weights.buffers(), skipping.model().buffers()));
    CHECK(same_bits(weights.batches_tracked(), skipping.model().batches_tracked()));
    CHECK(skipping.state().step == 1);
    CHECK(skipping.state().updates == 0);
    x[3 * 6 + 2] = 0;
    CHECK(skipping.train_step(x, labels).finite);
    CHECK(skipping.state().step == 2);
    CHECK(skipping.state().updates == 1);
}

TEST_CASE("in a dataset, a sample that is not finite is named by its place there") {
    auto trainer = train<Net>();
    auto values = normal_values(12 * 6, 1);
    values[7 * 6] = std::numeric_limits<float>::quiet_NaN();
    auto const data = from_memory(values, {1, 1, 6}, some_labels(12), 4);
    CHECK_CONTAINS(error_of([&] { trainer.fit(data, quiet(9, 4)); }),
                   "of the batch (sample 7 of the dataset) is not finite");
    CHECK(error_of([&] { static_cast<void>(trainer.evaluate(data, 5)); }) ==
          "evaluate: the input of sample 2 of the batch (sample 7 of the dataset) is not finite");
}

TEST_CASE("weights that explode are found in their layer") {
    using Plain = Network<Input<6>, Named<"fc1", Linear<8>>, ReLU, Named<"fc2", Linear<4>>>;
    auto const x = normal_values(5 * 6, 1);
    auto const labels = some_labels(5);
    auto const error_with = [&](auto const& change, std::vector<float> const& inputs) {
        auto trainer = train<Plain>();
        auto model = trainer.snapshot();
        for (auto const& tensor : model.tensors())
            for (std::size_t i = 0; i < tensor.size(); ++i) change(tensor.name, static_cast<float*>(tensor.data)[i]);
        trainer.set_model(model);
        std::string const text = error_of([&] { trainer.train_step(inputs, labels); });
        CHECK(same_bits(std::as_const(model).parameters(), trainer.model().parameters()));
        return text;
    };
    CHECK(error_with(
              [](std::string const& name, float& v) {
                  if (name == "fc1.weight") v = 3e38f;
              },
              std::vector<float>(x.size(), 1.0f)) == "training step 0: the output of layer fc1 (Linear) is not finite");
    CHECK(error_with(
              [](std::string const& name, float& v) {
                  v *= name == "fc2.weight" ? 3e38f : name == "fc1.weight" ? 1e3f : 1.0f;
              },
              x) == "training step 0: the output of layer fc2 (Linear) is not finite");
    // Every output is finite, but not their difference.
    CHECK(error_with(
              [](std::string const& name, float& v) {
                  if (name == "fc2.bias") v = v > 0 ? 3e38f : -3e38f;
              },
              x) == "training step 0: the loss is not finite");
    // The hidden values are 0.5, but their gradient is 1e20 and meets inputs of 1e30.
    std::vector<float> huge(x.size(), 1e30f);
    CHECK(error_with(
              [](std::string const& name, float& v) {
                  if (name == "fc1.weight") v = 0;
                  if (name == "fc1.bias") v = 0.5f;
                  if (name == "fc2.weight") v = v > 0 ? 1e20f : -1e20f;
                  if (name == "fc2.bias") v = 0;
              },
              huge) == "training step 0: the gradient of layer fc1 (Linear) is not finite");
}

TEST_CASE("hyperparameters out of range are refused") {
    auto const refused = [](auto policy) { return error_of([&] { static_cast<void>(train<Net>(policy)); }); };
    CHECK(refused(SGD{.learning_rate = -1}) == "SGD: learning_rate is -1, expected a number of at least 0");
    CHECK_CONTAINS(refused(SGD{.learning_rate = NAN}), "SGD: learning_rate is nan");
    CHECK(refused(SGD{.momentum = 1}) == "SGD: momentum is 1, expected a number of at least 0 and below 1");
    CHECK_CONTAINS(refused(SGD{.weight_decay = -1e-3}), "SGD: weight_decay is -0.001");
    CHECK_CONTAINS(refused(SGD{.nesterov = true}), "nesterov needs a momentum");
    CHECK_CONTAINS(refused(Adam{.beta1 = 1}), "Adam: beta1 is 1");
    CHECK_CONTAINS(refused(AdamW{.beta2 = -0.5}), "AdamW: beta2 is -0.5");
    CHECK_CONTAINS(refused(CrossEntropy{.label_smoothing = 1}), "CrossEntropy: label_smoothing is 1");
    CHECK_CONTAINS(refused(Cpu{.threads = -1}), "Cpu: threads is -1");
    auto trainer = train<Net>(StepLR{});
    auto const start = trainer.snapshot();
    CHECK_CONTAINS(error_of([&] { trainer.fit(some_data(8), quiet(1, 4)); }), "StepLR: step_size is 0");
    CHECK(same_bits(start.parameters(), trainer.model().parameters()));
}

TEST_CASE("in mid epoch, a training does not go on with other batches or other data") {
    Trained t;
    FitOptions options = quiet(2, 8);
    options.on_step = [&](StepEvent const&) { t.trainer.stop(); };
    t.trainer.fit(some_data(16), options);
    REQUIRE(t.trainer.state().batch == 1);
    t.before = snapshot_of(t.trainer, t.directory);
    CHECK(t.error([&] { t.trainer.fit(some_data(16), quiet(2, 4)); }) ==
          "fit: the training stands at batch 1 of an epoch of 16 samples in batches of 8, and cannot go on with 16 "
          "samples in batches of 4");
    CHECK_CONTAINS(t.error([&] { t.trainer.fit(some_data(24), quiet(2, 8)); }), "with 24 samples in batches of 8");
    t.trainer.fit(some_data(16), quiet(2, 8));
    CHECK(t.trainer.state().epoch == 2);
    t.trainer.fit(some_data(24), quiet(3, 4));  // between epochs it does
    CHECK(t.trainer.state().step == 4 + 6);
}

TEST_CASE("a checkpoint that can never be written is refused before anything is trained") {
    Trained t;
    std::filesystem::create_directory(t.directory / "folder");
    std::filesystem::create_symlink("missing/file", t.directory / "dangling");
    std::filesystem::create_symlink("loop", t.directory / "loop");
    std::filesystem::create_symlink("yet/to/come", t.directory / "link");
    std::filesystem::create_directories(t.directory / "yet/to");
    auto const fit = [&](std::string const& checkpoint) {
        auto options = quiet(9, 4);
        options.checkpoint = checkpoint;
        return t.error([&] { t.trainer.fit(some_data(8), options); });
    };
    for (std::string const& name : {std::string("folder"), std::string("folder/"), std::string("dangling"),
                                    std::string("loop"), std::string(256, 'n'), std::string("missing/file")}) {
        INFO(name);
        CHECK_CONTAINS(fit(t.directory / name), t.directory.path());
    }
    CHECK_CONTAINS(fit("/dev/null"), "not a regular file");
    auto options = quiet(2, 8);
    options.checkpoint = t.directory / "link";
    t.trainer.fit(some_data(16), options);
    t.trainer.load_checkpoint(t.directory / "yet/to/come");
    CHECK(t.trainer.state().epoch == 2);

    // Nor one whose names no file may have.
    auto trainer = train<Network<Input<6>, Named<"\xff", Linear<4>>>>();
    options.checkpoint = t.directory / "c";
    CHECK_CONTAINS(error_of([&] { trainer.fit(some_data(16), options); }), "expected UTF-8");
    CHECK(trainer.state().step == 0);
}

TEST_CASE("checkpoints name the optimizer's state by parameter; those with a state in one piece load") {
    Trained t;
    std::string const path = t.directory / "new", old = t.directory / "old";
    t.trainer.save_checkpoint(path);
    CheckpointFile const file(path);
    auto const& tensors = file.tensors().tensors();
    CHECK(tensors.find("optimizer.exp_avg.fc1.weight")->shape == std::vector<std::int64_t>{8, 6});
    CHECK(tensors.find("optimizer.exp_avg_sq.bn.bias")->shape == std::vector<std::int64_t>{8});
    CHECK(tensors.find("optimizer.exp_avg.bn.running_mean") == nullptr);
    CHECK(tensors.size() == 9 + 2 * 6);

    // The older form: weights by name, each state as one row of numbers.
    std::vector<TensorView> views;
    std::vector<float> states[2];
    char const* const names[] = {"optimizer.exp_avg.", "optimizer.exp_avg_sq."};
    auto const add = [&](std::string const& name) {
        auto const& tensor = *tensors.find("model." + name);
        views.push_back(
            {"model." + name, tensor.shape, *tensor.type, const_cast<std::byte*>(file.tensors().data(tensor).data())});
        for (int k = 0; k < 2; ++k)
            if (auto const* const state = file.tensors().find(names[k] + name)) {
                auto const bytes = file.tensors().data(*state);
                auto const size = states[k].size();
                states[k].resize(size + bytes.size() / 4);
                std::memcpy(states[k].data() + size, bytes.data(), bytes.size());
            }
    };
    for (auto const& tensor : t.trainer.model().tensors()) add(tensor.name);
    for (int k = 0; k < 2; ++k)
        views.push_back({concatenate("optimizer.", k),
                         {static_cast<std::int64_t>(states[k].size())},
                         DataType::float32,
                         states[k].data()});
    CHECK(states[1].size() == 6 * 8 + 8 + 16 + 8 * 4 + 4);
    CHECK(states[1][0] > 0);
    write_checkpoint(old, views, file.metadata());
    auto fresh = train<Net>(Adam{.learning_rate = 0.01});
    fresh.load_checkpoint(old);
    CHECK(snapshot_of(fresh, t.directory) == t.before);

    CHECK_CONTAINS(t.error([&] { t.trainer.load_checkpoint(old + "er"); }), "No such file");
    views.pop_back();
    write_checkpoint(old, views, file.metadata());
    CHECK_CONTAINS(t.error([&] { t.trainer.load_checkpoint(old); }), "missing: \"optimizer.1\"");
}

namespace {
/// An optimizer that gives its states no names.
struct Plain {
    using policy = OptimizerPolicy;
    static constexpr int states = 1;
    static constexpr char const* name = "Plain";
    double learning_rate = 0.1;
    void check() const {}
    template <class T>
    struct Update {
        static constexpr int states = Plain::states;
        T rate;
        template <class L>
        void operator()(L& w, L gradient, L (&state)[1]) const {
            state[0] = gradient;
            w = multiply_add(L(-rate), gradient, w);
        }
    };
    template <class T>
    Update<T> prepare(OptimizerStep const& step) const {
        return {static_cast<T>(step.learning_rate)};
    }
};
}  // namespace

TEST_CASE("an optimizer of one's own has its state in checkpoints too") {
    TemporaryDirectory const directory;
    using Linear1 = Network<Input<6>, Named<"fc", Linear<4>>>;
    auto trainer = train<Linear1>(Plain{}), other = train<Linear1>(Plain{}, Seed{1});
    trainer.fit(some_data(16), quiet(1, 8));
    trainer.save_checkpoint(directory / "c");
    CHECK(SafetensorsFile(directory / "c").find("optimizer.state0.fc.bias") != nullptr);
    other.load_checkpoint(directory / "c");
    CHECK(snapshot_of(trainer, directory) == snapshot_of(other, directory));
}

TEST_CASE("foreign and torn checkpoints are refused, and the trainer stays as it is") {
    Trained t;
    TemporaryDirectory const directory;
    auto const load = [&](std::string const& path) { return t.error([&] { t.trainer.load_checkpoint(path); }); };
    std::string const good = directory / "good", bad = directory / "bad";
    auto other = train<Net>(Adam{}, Seed{8});
    other.fit(some_data(16), quiet(1, 4));
    other.save_checkpoint(good);

    CHECK_CONTAINS(load(directory / "nothing"), "nothing");
    std::string const bytes = read_bytes(good);
    for (std::size_t length = 0; length < bytes.size(); length += 97) {
        write_bytes(bad, bytes.substr(0, length));
        CHECK_CONTAINS(load(bad), bad);
    }
    std::string flipped = bytes;
    flipped[bytes.size() - 5] = static_cast<char>(flipped[bytes.size() - 5] ^ 4);
    write_bytes(bad, flipped);
    CHECK_CONTAINS(load(bad), "damaged");
    save(other.model(), bad);
    CHECK_CONTAINS(load(bad), "expected a Strata checkpoint");

    auto sgd = train<Net>(SGD{});
    sgd.save_checkpoint(bad);
    CHECK(load(bad) == bad + ": the checkpoint was written with optimizer SGD, this trainer uses Adam");
    auto decoupled = train<Net>(AdamW{});
    decoupled.save_checkpoint(bad);
    CHECK_CONTAINS(load(bad), "optimizer AdamW");
    auto larger =
        train<Network<Input<6>, Named<"fc1", Linear<9>>, Named<"bn", BatchNorm1d<>>, ReLU, Named<"fc2", Linear<4>>>>(
            Adam{});
    larger.save_checkpoint(bad);
    CHECK_CONTAINS(load(bad), "fc1.weight");
    auto precise = train<Net>(Adam{}, Float64{});
    precise.save_checkpoint(bad);
    CHECK(load(bad) == bad + ": the checkpoint was written with precision F64, this trainer uses F32");

    t.trainer.load_checkpoint(good);
    CHECK(snapshot_of(t.trainer, t.directory) == snapshot_of(other, t.directory));
}

TEST_CASE("a checkpoint is refused where an entry is missing or no number") {
    Trained t;
    TemporaryDirectory const directory;
    std::string const path = directory / "checkpoint";
    t.trainer.save_checkpoint(path);
    CheckpointFile const file(path);
    std::vector<TensorView> tensors;
    for (auto const& [name, tensor] : file.tensors().tensors())
        tensors.push_back(
            {name, tensor.shape, *tensor.type, const_cast<std::byte*>(file.tensors().data(tensor).data())});
    auto const load_with = [&](auto change) {
        auto metadata = file.metadata();
        change(metadata);
        write_checkpoint(path, tensors, metadata);
        return t.error([&] { t.trainer.load_checkpoint(path); });
    };
    CHECK(load_with([](auto& m) { m.erase("step"); }) == path + ": the checkpoint has no entry \"step\"");
    CHECK_CONTAINS(load_with([](auto& m) { m.set("batch", "2x"); }), "entry \"batch\" is \"2x\", expected a number");
    CHECK_CONTAINS(load_with([](auto& m) { m.set("epoch", "-1"); }), "entry \"epoch\" is negative");
    CHECK_CONTAINS(load_with([](auto& m) { m.set("history", "soon"); }), "history: line 1");
    CHECK_CONTAINS(load_with([](auto& m) { m.erase("optimizer"); }), "optimizer (none)");
}
