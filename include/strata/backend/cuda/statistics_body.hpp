// Batch-wide statistics: a block a channel sums over all samples, in double, and finishes with the formulas of the
// layer. The variance takes a second pass around the mean, which needs no merging and loses no digits.
#pragma once

#include "../../network/frozen_operation.hpp"
#include "body.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Forward, first pass: the mean of a channel.
template <class Op, class Precision>
struct MeanBody {
    using Value = double;
    DeviceData<Precision> data;

    static constexpr long blocks() { return Op::channels; }
    STRATA_DEVICE Value part(long block, int thread) const {
        return sum_samples<Value>(thread, data.samples,
                                  [&](int s) { return Op::sum_x(static_cast<int>(block), body_input<Op>(data, s)); });
    }
    STRATA_HD Value combine(Value a, Value b) const { return a + b; }
    STRATA_HD void finish(long block, Value total) const {
        data.statistics[block * Op::statistics_per_channel + Op::mean] =
            total / (static_cast<double>(data.samples) * Op::pixels);
    }
};

/// Forward, second pass: the variance, and the running statistics after this batch.
template <class Op, class Precision>
struct VarianceBody {
    using Value = double;
    using Master = typename Precision::master;
    DeviceData<Precision> data;
    Master const* buffers;  ///< running means and variances before this batch
    Master* next_buffers;   ///< and after it

    static constexpr long blocks() { return Op::channels; }
    STRATA_DEVICE Value part(long block, int thread) const {
        auto const center = static_cast<typename Precision::compute>(mean(block));
        return sum_samples<Value>(thread, data.samples, [&](int s) {
            return Op::sum_squares(static_cast<int>(block), center, body_input<Op>(data, s));
        });
    }
    STRATA_HD Value combine(Value a, Value b) const { return a + b; }
    STRATA_HD void finish(long block, Value total) const {
        double const count = static_cast<double>(data.samples) * Op::pixels;
        // The squares were taken around the rounded mean.
        double const off = mean(block) - static_cast<double>(static_cast<typename Precision::compute>(mean(block)));
        double const squares = total - count * off * off;
        data.statistics[block * Op::statistics_per_channel + Op::inverse_deviation] =
            1 / sqrt(squares / count + Op::epsilon);
        next_buffers[block] = Op::moved(buffers[block], mean(block));
        next_buffers[Op::channels + block] = Op::moved(buffers[Op::channels + block], squares / (count - 1));
    }

private:
    STRATA_HD double mean(long channel) const {
        return data.statistics[channel * Op::statistics_per_channel + Op::mean];
    }
};

/// Two sums at once.
struct DoublePair {
    double first, second;
};

/// Backward: the sums of dy and dy xhat, which are also the gradients of bias and weight.
template <class Op, class Precision>
struct GradientStatisticsBody {
    using Value = DoublePair;
    using Gradient = typename Precision::accumulation;
    DeviceData<Precision> data;

    static constexpr long blocks() { return Op::channels; }
    STRATA_DEVICE Value part(long block, int thread) const {
        int const c = static_cast<int>(block);
        return {
            sum_samples<double>(thread, data.samples, [&](int s) { return Op::sum_dy(c, body_input<Op>(data, s)); }),
            sum_samples<double>(thread, data.samples,
                                [&](int s) { return Op::sum_dy_xhat(c, body_input<Op>(data, s)); })};
    }
    STRATA_HD Value combine(Value a, Value b) const { return {a.first + b.first, a.second + b.second}; }
    STRATA_HD void finish(long block, Value total) const {
        double const count = static_cast<double>(data.samples) * Op::pixels;
        double* const s = data.statistics + block * Op::statistics_per_channel;
        s[Op::mean_dy] = total.first / count;
        s[Op::mean_dy_xhat] = total.second / count;
        if constexpr (Op::affine) {
            data.gradient[block] += static_cast<Gradient>(total.second);
            data.gradient[Op::channels + block] += static_cast<Gradient>(total.first);
        }
    }
};

/// The statistics of evaluation: the running ones. A thread a channel.
template <class Op, class Master>
struct RunningStatisticsBody {
    Master const* buffers;
    double* statistics;

    static constexpr long threads() { return Op::channels; }
    STRATA_HD void operator()(long channel) const {
        double* const s = statistics + channel * Op::statistics_per_channel;
        s[Op::mean] = static_cast<double>(buffers[channel]);
        s[Op::inverse_deviation] = 1 / sqrt(static_cast<double>(buffers[Op::channels + channel]) + Op::epsilon);
        s[Op::mean_dy] = s[Op::mean_dy_xhat] = 0;  // what does not depend on the batch has no part in its means
    }
};
/// The running statistics on the device, in training those of layers that are Frozen alone.
template <class Net, bool Training, class Device, class Scalar>
void running_statistics(Device& device, Scalar const* buffers, double* statistics) {
    Net::for_each_operation([&]<int Index>() {
        using Op = typename Net::template OperationAt<Index>;
        using O = kernel_operation<Op>;
        if constexpr (reads_statistics<O>() && !(Training && is_batch_wide<Op>()))
            device.launch(RunningStatisticsBody<O, Scalar>{buffers + Net::buffers_at(Index) + statistics_in_buffers<Op>,
                                                           statistics + Net::statistic_offset[Index]});
    });
}

}  // namespace strata::inline STRATA_ABI::detail
