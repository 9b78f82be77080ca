// The CUDA executor: the whole batch goes through the op list, operation by operation, in one workspace
// [element][sample] laid out by the network's plan. Parameters, optimizer state and running statistics live on the
// device between load and store.
//
// Everything that knows CUDA is behind Device, which allocates, copies, launches functors and multiplies matrices
// (CudaDevice, or HostDevice in tests). Sums have fixed trees: the same program gives the same bits on the same GPU.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "../../core/tensor.hpp"
#include "../../network/model.hpp"
#include "../../optimizer/matrix_optimizer.hpp"
#include "../../program/arenas.hpp"
#include "../batch_wide.hpp"
#include "cuda.hpp"
#include "device_batch.hpp"
#include "device_buffer.hpp"
#include "device_program.hpp"
#include "step_body.hpp"
#include "update_body.hpp"

namespace strata::inline STRATA_ABI {

/// Trains and evaluates a network on a device. The device's copy of the model is uploaded by load(), or by
/// itself when another model than the last one comes; call load() again after changing a model on the host, and
/// store() before reading it.
template <class Net, class Precision, class Loss, class Device>
class CudaExecutor {
    static_assert(!Net::has_sequences && !Net::has_ids, "Cuda: networks of sequences or Ids run on the CPU: Cpu{}");
    static_assert(!detail::is_head_losses<Loss>, "Cuda: networks that end in Heads are trained on the CPU: Cpu{}");
    static_assert(detail::UniformPrecision<Precision>,
                  "Cuda: mixed precision runs on the CPU, the GPU has Float32 and Float64");
    using Storage = typename Precision::storage;
    using Gradient = typename Precision::accumulation;
    using Program = detail::DeviceProgram<Net, Precision, Device>;
    template <class T>
    using Buffer = detail::DeviceBuffer<T, Device>;

public:
    using ModelType = Model<Net, Precision>;
    using Scalar = typename Precision::master;

    /// Throws Error where there is no such device.
    CudaExecutor(Cuda cuda, Loss loss) : CudaExecutor(std::make_unique<Device>(cuda), loss) {}
    CudaExecutor(std::unique_ptr<Device> device, Loss loss) : device_(std::move(device)), loss_(loss) {
        static_assert(strata::Executor<CudaExecutor> && GivesInputGradients<CudaExecutor>);
        parameters_.grow(*device_, parameter_count);
        gradient_.grow(*device_, parameter_count);
        buffers_.grow(*device_, buffer_count);
        next_buffers_.grow(*device_, moving_buffers);
        statistics_.grow(*device_, static_cast<std::size_t>(Net::statistic_count));
        report_.grow(*device_, report_size);
        report_values_.resize(report_size);
    }

    /// Host threads that compute: the GPU's are not counted.
    [[nodiscard]] int workers() const { return 1; }
    /// Gradient of the last training step's mean loss, in the order of Model::parameters(); copied from the device.
    [[nodiscard]] std::span<Gradient const> gradient() const {
        if (!gradient_is_here_) {
            gradient_values_.resize(parameter_count);
            device_->activate();
            device_->download(gradient_values_.data(), gradient_.data(), parameter_count * sizeof(Gradient));
        }
        return gradient_values_;
    }
    /// The same; what is written to it, update() takes back to the device.
    [[nodiscard]] std::span<Gradient> gradient() {
        static_cast<void>(std::as_const(*this).gradient());
        gradient_is_here_ = true;
        largest_gradient_ = detail::unknown_magnitude;
        return gradient_values_;
    }
    /// [batch][inputs] of the last training pass, for networks that want it; copied from the device.
    [[nodiscard]] std::span<Storage const> input_gradients() const {
        device_->activate();
        device_->download(input_values_.data(), input_gradients_.data(), input_values_.size() * sizeof(Storage));
        return input_values_;
    }
    /// Bytes held on the device.
    [[nodiscard]] std::size_t memory_bytes() const {
        return parameters_.bytes() + gradient_.bytes() + state_.bytes() + buffers_.bytes() + next_buffers_.bytes() +
               workspace_.bytes() + scratch_.bytes() + statistics_.bytes() + report_.bytes() + losses_.bytes() +
               hits_.bytes() + predictions_.bytes() + outputs_.bytes() + input_gradients_.bytes() + batch_.bytes();
    }

    /// Copies parameters, running statistics and optimizer state [states][parameters] to the device.
    void load(ModelType const& model, std::span<Scalar const> state) {
        load_model(model);
        state_.grow(*device_, state.size());
        device_->upload(state_.data(), state.data(), state.size_bytes());
        state_size_ = state.size();
        range_.forget();
    }
    /// Copies them back.
    void store(ModelType& model, std::span<Scalar> state) {
        if (loaded_ != model.identity()) return;  // never seen here: nothing is newer than the host's copy
        device_->activate();
        device_->download(model.parameters().data(), parameters_.data(), model.parameters().size_bytes());
        device_->download(model.buffers().data(), buffers_.data(), model.buffers().size_bytes());
        if (state.size() == state_size_) device_->download(state.data(), state_.data(), state.size_bytes());
    }

    /// Throws Error where the variance of one value would be taken in a training batch of this size.
    static void check_batch(int size) {
        if constexpr (Net::is_batch_wide) detail::check_batch_for_statistics<Net>(size);
    }

    /// Forward, loss and backward: leaves the gradient of the batch on the device. The model is not changed.
    StepResult gradients(ModelType const& model, Batch const& batch, RandomKey random) {
        check_batch(batch.size);
        begin(model, batch, Program::template size<true>);
        gradient_is_here_ = false;
        detail::evaluation_numbers<Net, true>(*device_, buffers_.data(), statistics_.data());
        device_->clear(gradient_.data(), parameter_count * sizeof(Gradient));
        run(Program::template forward<true>(), random);
        bool const has_loss = finish<true>(batch);
        run(Program::backward(), random);
        if constexpr (Net::has_input_gradient)
            input_values_.resize(rows_of(Net::training_plan.gradient[0], Net::InputShape::size, input_gradients_));
        double* const magnitudes = report_.data() + 2;
        device_->launch_blocks(
            detail::MagnitudeBody<Gradient>{gradient_.data(), magnitudes, static_cast<long>(parameter_count)});
        if constexpr (Net::is_batch_wide)
            device_->launch_blocks(detail::MagnitudeBody<Scalar>{next_buffers_.data(), magnitudes + gradient_chunks,
                                                                 static_cast<long>(moving_buffers)});
        return result(batch.size, has_loss, report_size);
    }

    /// One optimizer update with the last gradient, and the running statistics of its batch. Only the count of batches
    /// is kept on the host; everything else reaches the model with store(). Nothing is written where a number would not
    /// be finite: says which, then.
    template <class Optimizer>
    UpdateFault update(ModelType& model, Optimizer const& optimizer, std::span<Scalar> state,
                       OptimizerStep const& step) {
        static_assert(!MatrixOptimizer<Optimizer>,
                      "Cuda: matrix optimizers (LAMB, LARS, Muon, Shampoo, SOAP) work on the CPU alone");
        if (loaded_ != model.identity() || state_size_ != state.size()) load(model, state);
        device_->activate();
        if (std::exchange(gradient_is_here_, false))
            device_->upload(gradient_.data(), gradient_values_.data(), parameter_count * sizeof(Gradient));
        if (auto const fault = statistics_fault(model)) return fault;
        auto const fault = detail::update_on<detail::states_of<Optimizer>(), Precision>(
            *device_, range_, optimizer.template prepare<Scalar>(step), parameters_.data(), gradient_.data(),
            largest_gradient_, state_.data(), static_cast<long>(parameter_count));
        if (!fault) update_statistics(model);
        return fault;
    }
    /// The first running statistic that the last training pass would not leave finite.
    [[nodiscard]] UpdateFault statistics_fault(ModelType const&) const {
        return buffers_are_finite_ ? UpdateFault{} : detail::buffer_fault_on(*device_, buffers_, next_buffers_);
    }
    /// The running statistics of the last training pass become the model's, on the device.
    void update_statistics(ModelType& model) {
        if constexpr (Net::is_batch_wide) {
            device_->activate();
            device_->copy(buffers_.data(), next_buffers_.data(), moving_buffers * sizeof(Scalar));
            detail::count_batch<Net>(model);
        }
    }

    /// Loss and hits of a batch in evaluation mode; predictions [batch] and outputs [batch][outputs] where not null.
    StepResult evaluate(ModelType const& model, Batch const& batch, std::int32_t* predictions, Storage* outputs) {
        begin(model, batch, Program::template size<false>);
        detail::evaluation_numbers<Net, false>(*device_, buffers_.data(), statistics_.data());
        run(Program::template forward<false>(), {});
        bool const has_loss = finish<false>(batch);
        if (outputs) {
            auto const values =
                rows_of(Program::template plan<false>().value[Net::operation_count], Net::OutputShape::size, outputs_);
            device_->download(outputs, outputs_.data(), values * sizeof(Storage));
        }
        auto const rows = static_cast<std::size_t>(samples_ * places);
        if (predictions) device_->download(predictions, predictions_.data(), rows * sizeof(std::int32_t));
        return result(batch.size, has_loss, 2);
    }

    /// The first operation whose output is not finite in a training pass over the batch, -1 if there is none.
    int first_non_finite(ModelType const& model, Batch const& batch, RandomKey random) {
        return first_non_finite_in<true>(model, batch, random);
    }
    /// The same in evaluation mode.
    int first_non_finite(ModelType const& model, Batch const& batch) {
        return first_non_finite_in<false>(model, batch, {});
    }

private:
    static constexpr int places = detail::places_in<Loss, Net>;
    static constexpr auto parameter_count = static_cast<std::size_t>(Net::parameter_count);
    static constexpr auto buffer_count = static_cast<std::size_t>(Net::buffer_count),
                          moving_buffers = static_cast<std::size_t>(Net::moving_buffer_count);
    static constexpr long gradient_chunks = detail::MagnitudeBody<Gradient>::blocks(Net::parameter_count),
                          buffer_chunks = detail::MagnitudeBody<Scalar>::blocks(Net::moving_buffer_count);
    /// Loss, hits, the largest magnitudes of the chunks of the gradient and of the new running statistics: everything a
    /// step tells the host.
    static constexpr auto report_size = static_cast<std::size_t>(2 + gradient_chunks + buffer_chunks);
    [[nodiscard]] Storage* at(std::ptrdiff_t offset) const {
        return offset < 0 ? nullptr : workspace_.data() + offset * samples_;
    }

    /// A value or gradient as [batch][size]; returns how many numbers that is.
    std::size_t rows_of(std::ptrdiff_t offset, int size, Buffer<Storage>& to) {
        auto const count = static_cast<std::size_t>(samples_) * static_cast<std::size_t>(size);
        device_->launch(detail::TransposeBody<Storage>{at(offset), to.grow(*device_, count), size, samples_});
        return count;
    }

    template <bool Training>
    int first_non_finite_in(ModelType const& model, Batch const& batch, RandomKey random) {
        begin(model, batch, Program::template size<Training>);
        detail::evaluation_numbers<Net, Training>(*device_, buffers_.data(), statistics_.data());
        for (int i = 0; i < Net::operation_count; ++i) {
            auto const at = static_cast<std::size_t>(i);
            run(Program::of_operation(Program::template forward<Training>(), i), random);
            if (!detail::all_finite(*device_, this->at(Program::template plan<Training>().value[at + 1]),
                                    static_cast<long>(Net::operations[at].output_size) * samples_))
                return i;
        }
        return -1;
    }

    void load_model(ModelType const& model) {
        range_.forget();
        device_->activate();
        device_->upload(parameters_.data(), model.parameters().data(), model.parameters().size_bytes());
        device_->upload(buffers_.data(), model.buffers().data(), model.buffers().size_bytes());
        loaded_ = model.identity();
    }

    /// Brings the batch to the device and fills value 0.
    void begin(ModelType const& model, Batch const& batch, std::ptrdiff_t plan_size) {
        detail::check_device_batch(batch, Net::InputShape::size);
        device_->activate();
        if (loaded_ != model.identity()) load_model(model);
        samples_ = batch.size;
        workspace_.grow(*device_, static_cast<std::size_t>(plan_size) * static_cast<std::size_t>(batch.size));
        batch_.fill_inputs(*device_, batch, at(Net::training_plan.value[0]));
    }

    /// Launches some steps, one after another.
    void run(std::span<typename Program::Step const> steps, RandomKey random) {
        detail::Arenas<Precision> const arenas{.workspace = workspace_.data(),
                                               .parameters = parameters_.data(),
                                               .gradient = gradient_.data(),
                                               .frozen = buffers_.data(),
                                               .statistics = statistics_.data(),
                                               .partial = statistics_.data()};
        for (auto const& step : steps) {
            std::ptrdiff_t const its = step.reduction.buffers;
            detail::DeviceLaunch<Precision, Device> launch{*device_, scratch_, buffers_.data() + its,
                                                           next_buffers_.data() + its};
            static_cast<Tile&>(launch.data) = {.samples = samples_, .stride = samples_, .random = random};
            launch.data.random.operation = static_cast<std::uint32_t>(step.operation);
            arenas.place(launch.data, step, launch.data);
            step.launch(launch);
        }
    }

    /// Loss, hits and predictions, and in training the gradient of the outputs. False when there
    /// is nothing to compare with.
    template <bool Training>
    bool finish(Batch const& batch) {
        auto const rows = static_cast<std::size_t>(samples_ * places);
        std::int32_t const* const labels = batch_.labels(*device_, batch);
        Storage const* targets = nullptr;
        if constexpr (!Loss::classifies)
            if (batch.targets) targets = batch_.targets(*device_, batch, Net::OutputShape::size);
        bool const has_loss = Training || batch.labels || batch.targets;
        mean_ = detail::loss_mean(loss_, batch);
        losses_.grow(*device_, rows);
        hits_.grow(*device_, rows);
        predictions_.grow(*device_, rows);
        device_->launch(detail::LossBody<typename Net::OutputShape, Precision, Loss>{
            loss_, at(Program::template plan<Training>().value[Net::operation_count]),
            Training ? at(Net::training_plan.gradient[Net::operation_count]) : nullptr, targets, labels,
            batch_.weights(*device_, batch), has_loss ? losses_.data() : nullptr, hits_.data(), predictions_.data(),
            mean_.factor(), samples_});
        if (has_loss) device_->launch_blocks(detail::SumBody{losses_.data(), report_.data(), samples_ * places});
        device_->launch_blocks(detail::SumBody{hits_.data(), report_.data() + 1, samples_ * places});
        return has_loss;
    }

    StepResult result(int samples, bool has_loss, std::size_t entries) {
        device_->download(report_values_.data(), report_.data(), entries * sizeof(double));
        StepResult result{.samples = samples, .ignored = mean_.ignored, .label_weight = mean_.label_weight};
        result.places = mean_.places;
        result.loss = has_loss ? mean_.of(report_values_[0]) : 0;
        result.correct = static_cast<std::int64_t>(report_values_[1]);
        result.finite = is_finite(result.loss);
        if (entries == report_size) {
            double const *const gradient = report_values_.data() + 2, *const buffers = gradient + gradient_chunks;
            largest_gradient_ = detail::largest_magnitude(gradient, buffers);
            result.finite = result.finite && is_finite(largest_gradient_);
            buffers_are_finite_ = is_finite(detail::largest_magnitude(buffers, buffers + buffer_chunks));
        }
        return result;
    }

    std::unique_ptr<Device> device_;  // first: the buffers give their memory back to it
    Loss loss_;
    std::uint64_t loaded_ = 0;  ///< the identity of the model whose parameters the device holds
    std::size_t state_size_ = 0;
    int samples_ = 0;
    detail::UpdateRange range_;
    LossMean mean_;
    double largest_gradient_ = 0;
    bool buffers_are_finite_ = true;
    Buffer<Scalar> parameters_, state_, buffers_, next_buffers_;
    Buffer<Gradient> gradient_;
    Buffer<Storage> workspace_, scratch_, outputs_, input_gradients_;
    mutable std::vector<Storage> input_values_;
    Buffer<double> statistics_, report_, losses_, hits_;
    Buffer<std::int32_t> predictions_;
    detail::DeviceBatch<Storage, Device> batch_;
    std::vector<double> report_values_;
    mutable std::vector<Gradient> gradient_values_;
    bool gradient_is_here_ = false;  ///< the host's copy of the gradient may be newer than the device's
};

}  // namespace strata::inline STRATA_ABI
