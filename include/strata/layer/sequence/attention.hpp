// Attention over the tokens of a sequence, as torch.nn.functional.scaled_dot_product_attention.
//
//   a(t, s) = sum_j q(t, j) k(s, j) / sqrt(d),   p(t, s) = e^(a(t, s) - l(t)),   l(t) = log sum_s e^a(t, s)
//   y(t, j) = sum_s p(t, s) v(s, j)
//
//   da(t, s) = p(t, s) (sum_j dy(t, j) v(s, j) - c(t)),   c(t) = sum_j dy(t, j) y(t, j)
//   dq(t, j) = sum_s da(t, s) k(s, j) / sqrt(d),   dk(s, j) = sum_t da(t, s) q(t, j) / sqrt(d)
//   dv(s, j) = sum_t p(t, s) dy(t, j)
//
// for each head, of d = width / heads numbers of q, k and v. Sums are over the tokens of the sequence; causal ones over
// s <= t. Shapes: x [3 width], query, key and value side by side, as in_proj of torch.nn.MultiheadAttention makes them; y
// [width]. Keeps x and y, and of a head l. Work grows with the square of the length. Source: Vaswani et al.,
// arXiv:1706.03762; the gradient by l and c: Dao et al., arXiv:2205.14135, appendix B.
#pragma once

#include <cmath>

#include "../../core/operation.hpp"
#include "../../core/option.hpp"

namespace strata::inline STRATA_ABI {

struct CausalKind {};
/// A token of Attention sees those before it and itself, or all (PyTorch's default).
struct Causal : Choice<CausalKind, true> {};
struct NotCausal : Choice<CausalKind, false> {};

/// Attention bound to the shape of a token.
template <int Width, int Heads, bool IsCausal>
struct AttentionOperation {
    using Input = Shape<3 * Width>;
    using Output = Shape<Width>;
    using Parameters = NoParameters;
    using SeesSequence = void;
    using State = std::conditional_t<IsCausal, KeptInput<Width, 2 * Width>, void>;  // keys and values
    static constexpr int head = Width / Heads;
    static constexpr int block = head;  // of y, and of each of q, k and v: a head
    static constexpr Keep keep = Keep::both;
    static constexpr double flops = 4.0 * Width * 128;  // of a token in a sequence of so many
    static constexpr std::string_view type = "Attention";

    struct LogSum : Pass<Shape<Heads>> {};   ///< l
    struct Product : Pass<Shape<Heads>> {};  ///< c
    using ForwardPasses = PassList<LogSum>;
    using BackwardPasses = PassList<Product>;

    /// What a body returns: a block of a single number is that number.
    template <class L>
    STRATA_HD static STRATA_INLINE auto whole(std::array<L, static_cast<std::size_t>(head)> const& numbers) {
        if constexpr (head == 1)
            return numbers[0];
        else
            return numbers;
    }
    /// The lane's own numbers of a head, read once and not for each token that it sees.
    template <class L, class X>
    STRATA_HD static STRATA_INLINE auto own(X const& x, int from) {
        std::array<L, static_cast<std::size_t>(head)> numbers;
        for (int j = 0; j < head; ++j) numbers[static_cast<std::size_t>(j)] = x[from + j];
        return numbers;
    }
    /// sum_j a(j) b(b_at + j) of a head.
    template <class L, class B>
    STRATA_HD static STRATA_INLINE L dot(std::array<L, static_cast<std::size_t>(head)> const& a, B const& b, int b_at) {
        L sum(0);
        for (int j = 0; j < head; ++j) sum = multiply_add(a[static_cast<std::size_t>(j)], b[b_at + j], sum);
        return sum;
    }
    /// sum_j a(a_at + j) b(b_at + j) of a head.
    template <class L, class A, class B>
    STRATA_HD static STRATA_INLINE L dot(A const& a, int a_at, B const& b, int b_at) {
        L sum(0);
        for (int j = 0; j < head; ++j) sum = multiply_add(a[a_at + j], b[b_at + j], sum);
        return sum;
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L scale() {
        using T = scalar_of<L>;
        using std::sqrt;
        return L(T(1) / static_cast<T>(sqrt(static_cast<double>(head))));
    }
    /// Which tokens of the lane see another one, and whether one is seen by them.
    template <class L, class Io>
    STRATA_HD static STRATA_INLINE auto see(Io const& io, int other) {
        return lane_index<L>(io.position) >= L(static_cast<scalar_of<L>>(IsCausal ? other : 0));
    }
    template <class L, class Io>
    STRATA_HD static STRATA_INLINE auto are_seen(Io const& io, int other) {
        return lane_index<L>(io.position) <= L(static_cast<scalar_of<L>>(IsCausal ? other : io.length + width_of<L>));
    }
    /// sums += factor numbers, where the one token sees the other: nothing of what it does not see, not even a NaN.
    template <class L, class Mask, class Numbers>
    STRATA_HD static STRATA_INLINE void add(std::array<L, static_cast<std::size_t>(head)>& sums, Mask const& counts,
                                            L factor, Numbers const& numbers, int from) {
        for (int j = 0; j < head; ++j) {
            auto& sum = sums[static_cast<std::size_t>(j)];
            L const next = multiply_add(factor, numbers[from + j], sum);
            if constexpr (IsCausal)
                sum = select(counts, next, sum);
            else
                sum = next;
        }
    }
    /// Tokens that the lane's see at most.
    template <class L, class Io>
    STRATA_HD static STRATA_INLINE int seen(Io const& io) {
        int const most = IsCausal ? io.position + width_of<L> : io.length;
        return most < io.length ? most : io.length;
    }

    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(LogSum, Position<1> at, Io const& io) {
        using L = typename Io::L;
        int const q = at[0] * head, k = Width + q;
        auto const query = own<L>(io.x, q);
        L largest = dot<L>(query, io.column(0).x, k) * scale<L>(), sum(1);
        for (int s = 1; s < seen<L>(io); ++s) {
            L const a = dot<L>(query, io.column(s).x, k) * scale<L>();
            auto const counts = see<L>(io, s);
            L const next = select(counts, maximum(largest, a), largest);
            sum = multiply_add(sum, exp(largest - next), select(counts, exp(a - next), L(0)));
            largest = next;
        }
        return largest + log(sum);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(Product, Position<1> at, Io const& io) {
        return dot<typename Io::L>(io.dy, at[0] * head, io.y, at[0] * head);
    }

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<1> at, Io const& io) {
        using L = typename Io::L;
        int const h = at[0], q = h * head, k = Width + q, v = 2 * Width + q;
        std::array<L, static_cast<std::size_t>(head)> y;
        for (L& sum : y) sum = L(0);
        auto const query = own<L>(io.x, q);
        L const log_sum = io.pass(LogSum{})[h];
        for (int s = 0; s < seen<L>(io); ++s) {
            auto const other = io.column(s);
            L const a = dot<L>(query, other.x, k) * scale<L>();
            add(y, see<L>(io, s), exp(a - log_sum), other.x, v);
        }
        return whole(y);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<1> at, Io const& io) {
        using L = typename Io::L;
        int const h = at[0] % Heads, part = at[0] / Heads, q = h * head, k = Width + q, v = 2 * Width + q;
        std::array<L, static_cast<std::size_t>(head)> dx;
        for (L& sum : dx) sum = L(0);
        if (part == 0) {
            for (int s = 0; s < seen<L>(io); ++s) {
                auto const key = io.column(s);
                L const a = dot<L>(io.x, q, key.x, k) * scale<L>();
                L const da = exp(a - io.pass(LogSum{})[h]) * (dot<L>(io.dy, q, key.x, v) - io.pass(Product{})[h]);
                add(dx, see<L>(io, s), da * scale<L>(), key.x, k);
            }
        } else {
            for (int t = IsCausal ? io.position : 0; t < io.length; ++t) {
                auto const query = io.column(t);
                L const a = dot<L>(query.x, q, io.x, k) * scale<L>();
                L const p = exp(a - query.pass(LogSum{})[h]);
                if (part == 2) {
                    add(dx, are_seen<L>(io, t), p, query.dy, q);
                } else {
                    L const da = p * (dot<L>(query.dy, q, io.x, v) - query.pass(Product{})[h]);
                    add(dx, are_seen<L>(io, t), da * scale<L>(), query.x, q);
                }
            }
        }
        return whole(dx);
    }
};

/// `Attention<heads, options…>`; option: Causal or NotCausal. `Linear<3 * width>, Attention<heads>, Linear<width>` is
/// PyTorch's MultiheadAttention of a sequence with itself.
template <int Heads, class... Options>
struct Attention {
    template <class X>
    using On = AttentionOperation<X::size / 3, Heads, option_or<NotCausal, Options...>::value>;

    template <class Where, class Got>
    struct Check {
        static constexpr bool options = OptionKinds<CausalKind>::template accept<Options...>;
        static constexpr bool three = Heads > 0 && Got::type::rank == 1 &&
                                      Got::type::size % (3 * (Heads > 0 ? Heads : 1)) == 0;
        static constexpr bool ok = options && three;
        struct Message {
            static_assert(options, "Attention: an option is unknown or given twice; it takes Causal or NotCausal");
            static_assert(three || !options,
                          "Attention: its input is query, key and value side by side, flat, each of a width that the "
                          "heads divide: put Linear<3 * width> before it");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
