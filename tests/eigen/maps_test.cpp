// Typed Eigen maps of weights, gradients, outputs and batches.
#include <doctest/doctest.h>

#include <strata/eigen.hpp>

using namespace strata;

namespace {

using Net = Network<Input<2, 6, 6>, Named<"conv", Conv2d<4, 3, Groups<2>>>, Named<"bn", BatchNorm2d<>>, ReLU, Flatten,
                    Named<"hidden", Linear<5>>, ReLU, Named<"one", Linear<1>>, Linear<3>>;
using Eigen::RowMajor;

template <class T, int R, int C, int Order>
constexpr bool is(Eigen::Map<Eigen::Matrix<T, R, C, Order>> const&) {
    return true;
}

Dataset images(std::size_t count) {
    std::vector<std::uint8_t> pixels(count * 72);
    std::vector<int> classes(count);
    Random random(3, Purpose::user);
    for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(random.below(256));
    for (auto& label : classes) label = static_cast<int>(random.below(3));
    return from_memory(std::move(pixels), {2, 6, 6}, classes, 3).with(Normalize{{0.2, 0.4}, {0.5, 0.3}});
}

}  // namespace

TEST_CASE("weights are matrices of constant size in the model's memory") {
    Model<Net> model(1);
    Model<Net> const& constant = model;
    using Hidden = Eigen::Matrix<float, 5, 64, RowMajor>;
    static_assert(std::is_same_v<decltype(weights<"hidden.weight">(model)), Eigen::Map<Hidden>>);
    static_assert(std::is_same_v<decltype(weights<"hidden.weight">(constant)), Eigen::Map<Hidden const>>);
    static_assert(std::is_same_v<decltype(weights<"hidden.bias">(model)), Eigen::Map<Eigen::Vector<float, 5>>>);
    // [out][in kh kw], in of a group.
    static_assert(
        std::is_same_v<decltype(weights<"conv.weight">(model)), Eigen::Map<Eigen::Matrix<float, 4, 9, RowMajor>>>);
    static_assert(
        std::is_same_v<decltype(weights<"one.weight">(model)), Eigen::Map<Eigen::Matrix<float, 1, 5, RowMajor>>>);
    static_assert(std::is_same_v<decltype(weights<"7.weight">(model)), Eigen::Map<Eigen::Vector<float, 3>>>);
    using Doubles = Model<Net, Float64>;
    static_assert(std::is_same_v<decltype(weights<"bn.running_var">(std::declval<Doubles&>())),
                                 Eigen::Map<Eigen::Vector<double, 4>>>);

    // Every tensor that files know is where they have it.
    auto const check = [&](auto const& map, char const* name) {
        CAPTURE(name);
        for (auto const& tensor : constant.tensors())
            if (tensor.name == name) {
                CHECK(tensor.data == map.data());
                CHECK(static_cast<std::size_t>(map.size()) == tensor.size());
                CHECK(map.rows() == tensor.shape[0]);
                return;
            }
        FAIL_CHECK("no such tensor");
    };
    check(weights<"conv.weight">(constant), "conv.weight");
    check(weights<"conv.bias">(constant), "conv.bias");
    check(weights<"bn.weight">(constant), "bn.weight");
    check(weights<"bn.bias">(constant), "bn.bias");
    check(weights<"bn.running_mean">(constant), "bn.running_mean");
    check(weights<"bn.running_var">(constant), "bn.running_var");
    check(weights<"hidden.weight">(constant), "hidden.weight");
    check(weights<"hidden.bias">(constant), "hidden.bias");
    check(weights<"one.weight">(constant), "one.weight");
    check(weights<"7.weight">(constant), "7.weight");
    check(weights<"7.bias">(constant), "7.bias");

    weights<"hidden.weight">(model)(3, 60) = 42;
    CHECK(model.parameters()[4 * 9 + 4 + 4 + 4 + 3 * 64 + 60] == 42.0f);
}

TEST_CASE("gradients, outputs and batches") {
    using Small = Network<Input<3>, Named<"fc", Linear<2>>>;
    auto trainer = train<Small>(Float64{}, MSE{}, SGD{.learning_rate = 0.0});
    CHECK_THROWS_WITH_AS(static_cast<void>(gradients<"fc.weight">(std::as_const(trainer))),
                         "gradients: there has been no training step yet", Error);

    Eigen::Matrix<double, 4, 3, RowMajor> x;
    Eigen::Matrix<double, 4, 2> t;  // column-major
    for (int i = 0; i < x.size(); ++i) x.data()[i] = 0.25 * i - 1;
    for (int i = 0; i < t.size(); ++i) t.data()[i] = 0.5 - 0.125 * i;
    Eigen::MatrixXd const lying = t.transpose();
    CHECK_THROWS_WITH_AS(trainer.train_step(x, lying),
                         "train_step: the matrix has 4 columns, expected 2, the targets of a sample", Error);
    trainer.train_step(x, t);

    // The gradient of the mean squared error, by hand.
    auto const w = weights<"fc.weight">(trainer.model());
    auto const b = weights<"fc.bias">(trainer.model());
    Eigen::MatrixXd const y = (x * w.transpose()).rowwise() + b.transpose();
    Eigen::MatrixXd const dy = (y - t) * (2.0 / 8.0);
    Eigen::MatrixXd const dw_by_hand = dy.transpose() * x;
    auto const dw = gradients<"fc.weight">(std::as_const(trainer));
    static_assert(std::is_same_v<decltype(dw), Eigen::Map<Eigen::Matrix<double, 2, 3, RowMajor> const> const>);
    CHECK((dw - dw_by_hand).norm() < 1e-14);
    CHECK((gradients<"fc.bias">(trainer.executor()) - dy.colwise().sum().transpose()).norm() < 1e-14);

    // Between backward and update a gradient can be changed.
    CHECK_THROWS_AS(static_cast<void>(gradients<"fc.weight">(trainer)), Error);
    trainer.backward(x, t);
    auto own = gradients<"fc.weight">(trainer);
    static_assert(std::is_same_v<decltype(own), Eigen::Map<Eigen::Matrix<double, 2, 3, RowMajor>>>);
    own *= 2;
    CHECK((dw - 2 * dw_by_hand).norm() < 1e-14);
    CHECK(trainer.update());

    Workspace<Small, Float64> workspace;
    auto const scores = outputs<Small>(trainer.model()(x, workspace));
    static_assert(
        std::is_same_v<decltype(scores), Eigen::Map<Eigen::Matrix<double, Eigen::Dynamic, 2, RowMajor> const> const>);
    CHECK(scores.rows() == 4);
    CHECK((scores - y).norm() < 1e-14);
    std::vector<double> const odd(3);
    CHECK_THROWS_WITH_AS(static_cast<void>(outputs<Small>(odd)),
                         "outputs: got 3 values, expected a multiple of 2, the network's outputs", Error);
}

TEST_CASE("matrices of every kind go in as samples") {
    using Small = Network<Input<3>, Named<"fc", Linear<2>>>;
    Model<Small> const model(2);
    Workspace<Small> workspace;
    Eigen::MatrixXf const wide = Eigen::MatrixXf::Random(7, 9);
    Eigen::Matrix<float, 5, 3, RowMajor> const x = wide.block<5, 3>(1, 2);
    Eigen::MatrixXf const expected =
        (x * weights<"fc.weight">(model).transpose()).rowwise() + weights<"fc.bias">(model).transpose();
    Eigen::MatrixXf const transposed = x.transpose();
    auto const check = [&](auto const& samples) {
        CHECK((outputs<Small>(model(samples, workspace)) - expected).norm() < 1e-6f);
        auto const data = from_memory(samples, {3});
        CHECK(data.size() == 5);
        CHECK(inputs(data) == x);
    };
    check(x);
    check(Eigen::MatrixXf(x));               // column-major
    check(wide.block(1, 2, 5, 3));           // a block, its rows apart
    check(transposed.transpose());           // a view in the other order
    check(2.0f * x - x);                     // expressions are evaluated
    check(x * Eigen::Matrix3f::Identity());  // a product
    check(2.0f * x.array() - x.array());
    check((2.0f * x.array() - x.array()).matrix());  // declares a place in memory, and has none
    check((2.0f * x - x).array());
    CHECK(outputs<Small>(model(x.row(3), workspace)).row(0).isApprox(expected.row(3)));
    Eigen::MatrixXf const other = Eigen::MatrixXf::Random(3, 5);
    CHECK_THROWS_AS(model(2.0f * other, workspace), Error);  // 5 columns are no samples of 3

    // Labels as expressions, evaluation, a training step.
    Eigen::VectorXi classes(5);
    classes << 0, 1, 2, 1, 0;
    auto trainer = train<Small>();
    trainer.train_step(2.0f * x, (classes.array() - 1).abs());
    auto const labelled = from_memory(x, {3}, (classes.array() - 1).abs(), 2);
    CHECK(labels(labelled) == Eigen::VectorXi((classes.array() - 1).abs()));
    CHECK(trainer.evaluate(labelled).samples == 5);
}

TEST_CASE("the inputs of batches and datasets") {
    auto const data = images(7);
    auto const all = inputs(data);
    CHECK(all.rows() == 7);
    CHECK(all.cols() == 72);
    CHECK(labels(data).size() == 7);
    Loader loader(data, {.batch_size = 4, .shuffle = false, .threads = 0});
    loader.begin_epoch(0);
    int done = 0;
    while (Batch const* const batch = loader.next()) {
        auto const x = inputs(*batch);
        auto const bytes = stored_inputs<std::uint8_t>(*batch);
        CHECK(labels(*batch) == labels(data).segment(done, batch->size));
        for (int i = 0; i < batch->size; ++i) {
            // Scale and shift are rounded to float in one order here and in another one in Dataset::input.
            CHECK((x.row(i) - all.row(done + i)).cwiseAbs().maxCoeff() < 1e-6f);
            CHECK(std::abs(x(i, 40) - (static_cast<float>(bytes(i, 40)) / 255 - 0.4f) / 0.3f) < 1e-6f);
        }
        done += batch->size;
        CHECK(targets<Net>(*batch).size() == 0);
        CHECK_THROWS_WITH_AS(static_cast<void>(stored_inputs<float>(*batch)),
                             "stored_inputs: the batch holds bytes, not what was asked for", Error);
    }
    CHECK(done == 7);
}
