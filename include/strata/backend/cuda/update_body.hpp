// The end of a step on a device: how large the numbers are, and the parameters move.
#pragma once

#include <vector>

#include "../update_range.hpp"
#include "body.hpp"
#include "device_buffer.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The largest magnitude of a flat array's numbers, a block a chunk; NaN is more than infinity.
template <class T>
struct MagnitudeBody {
    using Value = double;
    static constexpr int chunk = 4096;
    T const* values;
    double* largest;  ///< [blocks]
    long count;

    static constexpr long blocks(long count) { return (count + chunk - 1) / chunk; }
    [[nodiscard]] long blocks() const { return blocks(count); }
    STRATA_DEVICE Value part(long block, int thread) const {
        Value all = 0;
        long const end = (block + 1) * chunk < count ? (block + 1) * chunk : count;
        for (long i = block * chunk + thread; i < end; i += block_threads)
            all = combine(all, absolute(static_cast<double>(values[i])));
        return all;
    }
    STRATA_HD Value combine(Value a, Value b) const { return magnitude_bits(b) > magnitude_bits(a) ? b : a; }
    STRATA_HD void finish(long block, Value all) const { largest[block] = all; }
};

/// What an optimizer update would write, a block a chunk of the parameters.
template <class Update, int States, class Precision>
struct MeasureBody {
    using Master = typename Precision::master;
    using Value = UpdateMeasure<States>;
    static constexpr int chunk = 4096;
    Update update;
    Master const* weights;
    typename Precision::accumulation const* gradient;
    Master const* state;
    Value* found;  ///< [blocks]
    long count;
    long begin, past_end;  ///< what is looked at

    [[nodiscard]] long blocks() const { return (past_end - begin + chunk - 1) / chunk; }
    STRATA_DEVICE Value part(long block, int thread) const {
        auto all = Value::nothing();
        long const first = begin + block * chunk, end = first + chunk < past_end ? first + chunk : past_end;
        for (long i = first + thread; i < end; i += block_threads) all.look(update, weights, gradient, state, count, i);
        return all;
    }
    STRATA_HD Value combine(Value a, Value const& b) const {
        a.merge(b);
        return a;
    }
    STRATA_HD void finish(long block, Value const& all) const { found[block] = all; }
};

/// One optimizer update, a thread a parameter; state [States][parameters].
template <class Update, int States, class Precision>
struct UpdateBody {
    using Master = typename Precision::master;
    Update update;
    Master* weights;
    typename Precision::accumulation const* gradient;
    Master* state;
    long count;
    long begin, past_end;  ///< what moves

    [[nodiscard]] long threads() const { return past_end - begin; }
    STRATA_DEVICE void operator()(long thread) const {
        long const i = begin + thread;
        Master w = weights[i];
        if constexpr (States == 0) {
            update(w, static_cast<Master>(gradient[i]));
        } else {
            Master s[States];
            for (int k = 0; k < States; ++k) s[k] = state[k * count + i];
            update(w, static_cast<Master>(gradient[i]), s);
            for (int k = 0; k < States; ++k) state[k * count + i] = s[k];
        }
        weights[i] = w;
    }
};

/// `count` values that `fill` makes on the device.
template <class T, class Device, class F>
std::vector<T> values_from(Device& device, long count, F const& fill) {
    DeviceBuffer<T, Device> on_device;
    std::vector<T> values(static_cast<std::size_t>(count));
    fill(on_device.grow(device, values.size()));
    device.download(values.data(), on_device.data(), values.size() * sizeof(T));
    return values;
}

/// True where all of `count` numbers on the device are finite.
template <class T, class Device>
bool all_finite(Device& device, T const* numbers, long count) {
    auto const largest = values_from<double>(device, MagnitudeBody<T>::blocks(count), [&](double* values) {
        device.launch_blocks(MagnitudeBody<T>{numbers, values, count});
    });
    return is_finite(largest_magnitude(largest.data(), largest.data() + largest.size()));
}

/// One update of all parameters on the device, or none where it would write a number that is not finite.
template <int States, class Precision, class Update, class Device>
UpdateFault update_on(Device& device, UpdateRange& range, Update const& update, typename Precision::master* weights,
                      typename Precision::accumulation const* gradient, double largest_gradient,
                      typename Precision::master* state, long count) {
    if (!range.template holds<States>(update, weights, state, largest_gradient)) {
        using Measure = UpdateMeasure<States>;
        auto all = Measure::nothing();
        for_each_update(update, 0, count, [&]<class One>(One const& one, std::ptrdiff_t begin, std::ptrdiff_t end) {
            MeasureBody<One, States, Precision> body{one, weights, gradient, state, nullptr, count, begin, end};
            for (auto const& part : values_from<Measure>(device, body.blocks(), [&](Measure* found) {
                     body.found = found;
                     device.launch_blocks(body);
                 }))
                all.merge(part);
        });
        range.know<Update>(all, weights, state);
        if (auto const fault = all.place()) return fault;
    }
    for_each_update(update, 0, count, [&]<class One>(One const& one, std::ptrdiff_t begin, std::ptrdiff_t end) {
        device.launch(UpdateBody<One, States, Precision>{one, weights, gradient, state, count, begin, end});
    });
    return {};
}

/// Whether running statistics on the device may be replaced.
template <class T, class Device>
UpdateFault buffer_fault_on(Device& device, DeviceBuffer<T, Device> const& old, DeviceBuffer<T, Device> const& fresh) {
    std::vector<T> from(fresh.bytes() / sizeof(T)), to(from.size());  // what is Frozen is behind them
    device.download(from.data(), old.data(), fresh.bytes());
    device.download(to.data(), fresh.data(), fresh.bytes());
    return buffer_fault(from.data(), to.data(), from.size());
}

}  // namespace strata::inline STRATA_ABI::detail
