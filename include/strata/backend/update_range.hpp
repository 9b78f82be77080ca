// Nothing that is not finite is written: before an optimizer updates weights and state, it is known that every number
// will be finite.
//
// Looking at all numbers once more would cost as much as the update itself, which waits for the memory. So one look
// says what their magnitudes are at most, and from then on each step's largest gradient and the update's own `bound`
// say what they are at most afterwards, without reading one of them. Only where the bounds do not suffice (the first
// step, weights from elsewhere, huge numbers, an update without `bound`) there is another look.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "../core/finite.hpp"

namespace strata::inline STRATA_ABI {

/// The number that an update would have made infinite or NaN; nothing was written then.
struct UpdateFault {
    enum class Part : std::uint8_t { none, parameter, state, buffer } part = Part::none;
    int state = 0;           ///< which of the optimizer's states
    std::int64_t index = 0;  ///< in Model::parameters() or Model::buffers()
    explicit operator bool() const { return part != Part::none; }
};

namespace detail {

/// In the place of a magnitude: nothing is known.
inline constexpr double unknown_magnitude = -1;

/// The largest of numbers that are magnitudes; NaN is more than infinity.
inline double largest_magnitude(double const* begin, double const* end) {
    double largest = 0;
    for (; begin != end; ++begin)
        if (magnitude_bits(*begin) > magnitude_bits(largest)) largest = *begin;
    return largest;
}

/// True where `fresh` may take the place of `old`: it is finite, or infinite as it has been (a masked class's bias).
template <class T>
STRATA_HD inline bool may_replace(T old, T fresh) {
    return is_finite(fresh) || (!is_nan(fresh) && std::bit_cast<BitsOf<T>>(old) == std::bit_cast<BitsOf<T>>(fresh));
}

/// Whether running statistics may be replaced.
template <class T>
STRATA_COLD UpdateFault buffer_fault(T const* old, T const* fresh, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        if (!may_replace(old[i], fresh[i])) return {UpdateFault::Part::buffer, 0, static_cast<std::int64_t>(i)};
    return {};
}

/// Calls f(update, from, to) for the parts of parameters [from, to) that one update moves: all of them at once, but of an
/// optimizer with groups (optimizer/grouped_optimizer.hpp).
template <class Update, class F>
void for_each_update(Update const& update, std::ptrdiff_t from, std::ptrdiff_t to, F const& f) {
    if constexpr (requires { update.for_each(from, to, f); })
        update.for_each(from, to, f);
    else
        f(update, from, to);
}

/// What a look at weights and state found: their largest finite magnitudes as an update would leave them.
template <int States>
struct UpdateMeasure {
    static constexpr std::int64_t no_fault = (std::numeric_limits<std::int64_t>::max)();
    double weight, state[static_cast<std::size_t>(States == 0 ? 1 : States)];
    std::int64_t fault;  ///< the first one: index (States + 1) + 0 for a weight, + 1 + k for state k
    bool infinite;       ///< a number is infinite and stays so

    static STRATA_HD UpdateMeasure nothing() {  // a GPU's shared memory knows no constructors
        UpdateMeasure none{};
        none.fault = no_fault;
        return none;
    }

    /// Takes in the i-th parameter, of `count`.
    template <class Update, class Scalar, class Gradient>
    STRATA_HD void look(Update const& update, Scalar const* weights, Gradient const* gradient, Scalar const* states,
                        std::int64_t count, std::int64_t i) {
        Scalar w = weights[i], s[static_cast<std::size_t>(States == 0 ? 1 : States)];
        for (int k = 0; k < States; ++k) s[k] = states[k * count + i];
        if constexpr (States == 0)
            update(w, static_cast<Scalar>(gradient[i]));
        else
            update(w, static_cast<Scalar>(gradient[i]), s);
        look(weights[i], w, weight, i * (States + 1));
        for (int k = 0; k < States; ++k) look(states[k * count + i], s[k], state[k], i * (States + 1) + 1 + k);
    }
    STRATA_HD void merge(UpdateMeasure const& other) {
        weight = other.weight > weight ? other.weight : weight;
        for (int k = 0; k < States; ++k) state[k] = other.state[k] > state[k] ? other.state[k] : state[k];
        fault = other.fault < fault ? other.fault : fault;
        infinite = infinite || other.infinite;
    }
    [[nodiscard]] UpdateFault place() const {
        if (fault == no_fault) return {};
        int const part = static_cast<int>(fault % (States + 1));
        return {part == 0 ? UpdateFault::Part::parameter : UpdateFault::Part::state, part == 0 ? 0 : part - 1,
                fault / (States + 1)};
    }

    /// Takes in a number of which `fresh` would be made.
    template <class Scalar>
    STRATA_HD void look(Scalar old, Scalar fresh, double& largest, std::int64_t at) {
        double const magnitude = fresh < Scalar(0) ? -static_cast<double>(fresh) : static_cast<double>(fresh);
        if (is_finite(fresh))
            largest = magnitude > largest ? magnitude : largest;
        else if (may_replace(old, fresh))
            infinite = true;
        else
            fault = at < fault ? at : fault;
    }
};

/// What the magnitudes of a model's weights and of its optimizer's state do not exceed.
class UpdateRange {
public:
    /// Weights or state may have changed by other hands.
    void forget() { weights_ = nullptr; }

    /// True where an update of these weights and state with gradients up to `gradient` makes finite numbers of them;
    /// what is known then is about the numbers after the update.
    template <int States, class Scalar, class Update>
    [[nodiscard]] bool holds(Update const& update, Scalar const* weights, Scalar const* state, double gradient) {
        if constexpr (is_bounded<Update, States>) {
            if (weights == nullptr || weights != weights_ || state != state_ || gradient == unknown_magnitude)
                return false;
            double weight = weight_, states[static_cast<std::size_t>(States)];
            for (int k = 0; k < States; ++k) states[k] = of_state_[k];
            double const largest = update.bound(weight, gradient, states);
            constexpr auto most = static_cast<double>((std::numeric_limits<Scalar>::max)());
            if (!is_finite(largest) || !(largest <= most / 2)) return false;
            weight_ = weight * rounding;
            for (int k = 0; k < States; ++k) of_state_[k] = states[k] * rounding;
            return true;
        }
        return false;
    }
    /// After a look: what was found is known of these weights and state once they are updated. Infinite numbers are
    /// looked at every time.
    template <class Update, class Scalar, int States>
    void know(UpdateMeasure<States> const& found, Scalar const* weights, Scalar const* state) {
        forget();
        if constexpr (is_bounded<Update, States>) {
            if (found.infinite || found.fault != found.no_fault) return;
            weights_ = weights;
            state_ = state;
            weight_ = found.weight;
            for (int k = 0; k < States; ++k) of_state_[k] = found.state[k];
        }
    }

private:
    static constexpr int most_states = 8;
    /// More than any rounding between a bound and the numbers, and little enough for millions of steps.
    static constexpr double rounding = 1 + 1e-6;
    template <class Update, int States>
    static constexpr bool is_bounded =
        States > 0 && States <= most_states&& requires(Update const& update, double& weight,
                                                       double (&state)[static_cast<std::size_t>(States)]) {
            { update.bound(weight, 1.0, state) } -> std::same_as<double>;
        };

    void const *weights_ = nullptr, *state_ = nullptr;
    double weight_ = 0, of_state_[most_states] = {};
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
