// What the bodies of a network's layers read, against what executors provide: a body that reads a view which is not
// there, or beyond its end, may work in one network and crash or compute nonsense in another.
#pragma once

#include <vector>

#include "../backend/cpu/step/batch_merge.hpp"
#include "../core/error.hpp"
#include "../network/model.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Who reads, for messages.
struct AuditedBody {
    std::string_view layer, type;
    char const* body;
};

/// One sample's values, or, with a reason why, none to read. Throws Error for what must not be read.
template <class S>
struct AuditedView {
    using LaneType = double;
    double* data;
    AuditedBody const* reader;
    char const* name;
    char const* absent;                      ///< null: they are there
    int kept_begin = 0, kept_end = S::size;  ///< what may be read of another token
    bool of_other = false;

    double operator[](int element) const {
        if (absent) refuse(" reads io.", name, ", ", absent);
        if (of_other && (element < kept_begin || element >= kept_end))
            refuse(" reads element ", element, " of another token's io.", name, ", which its State does not keep");
        check(" reads", element);
        return data[element];
    }
    template <class... Indices>
    double operator()(Indices... position) const {
        return (*this)[S::index(position...)];
    }
    template <class Other>
    AuditedView<Other> as() const {
        return {data, reader, name, absent};
    }
    AuditedView column(int offset) const {
        if (offset != 0) refuse(" reads token ", offset, " of a sequence that has one");
        AuditedView other = *this;
        other.of_other = true;
        return other;
    }
    void set(int element, double value) const {
        check(" sets", element);
        if (data) data[element] = value;
    }

private:
    template <class... Parts>
    void refuse(Parts const&... parts) const {
        fail("layer ", reader->layer, " (", reader->type, "): ", reader->body, parts...);
    }
    void check(char const* verb, int element) const {
        if (element < 0 || element >= S::size)
            refuse(verb, " element ", element, " of io.", name, ", which has ", S::size);
    }
};

/// What the bodies of one operation are given.
struct AuditedOperation {
    std::string_view layer;
    int index;
    std::array<double*, ValueList::most> inputs;
    std::vector<double>& y;
    double const* parameters;
    double* statistics;
};

/// What passes over the batch leave, in evaluation.
template <class P>
struct AuditedBatchPass {
    AuditedView<Shape<P::Extents::size, left_by<P>()>> view;

    double operator()(int element, int number = 0) const {
        bool const there = number >= 0 && number < left_by<P>();
        return view[there ? element * left_by<P>() + number : -1];  // which is refused
    }
    double operator[](int element) const { return (*this)(element); }
};

/// What the passes leave. Those that have not run are not there.
template <class Op>
struct AuditedPasses {
    AuditedBody const* reader = nullptr;
    std::vector<double>* values = nullptr;  ///< of all passes over the sample, forward's first
    double* batch = nullptr;                ///< of those over the batch
    int made = 0;                           ///< how many of the passes
    bool of_others = true;                  ///< those of other tokens may be read, too

    template <class P>
    auto operator()(P) const {
        constexpr bool forward = forward_passes<Op>::template contains<P>;
        int const index = forward ? forward_passes<Op>::template index<P>
                                  : forward_passes<Op>::count + backward_passes<Op>::template index<P>;
        char const* const absent = index < made ? nullptr : "which comes later";
        if constexpr (P::scope == Scope::batch)
            return AuditedBatchPass<P>{{batch + batch_place<Op, P>(), reader, "pass", absent}};
        else
            return AuditedView<typename P::Extents>{values->data() + place<P>(),     reader, "pass", absent, 0,
                                                    of_others ? P::Extents::size : 0};
    }
    template <class P>
    static constexpr int place() {
        if constexpr (forward_passes<Op>::template contains<P>)
            return forward_passes<Op>::template offset<P>;
        else
            return forward_passes<Op>::size + backward_passes<Op>::template offset<P>;
    }
};

template <class Op, class Io, class... Ps>
void audit_passes(Io& io, PassList<Ps...>) {
    auto const run = [&]<class Of>(Of of) {
        for (int item = 0; item < Of::Extents::size; ++item) {
            auto const at = Of::Extents::position(item);
            if constexpr (Of::scope == Scope::batch) {
                for (int term = 0; term < Of::terms; ++term) static_cast<void>(Op::pass(of, at, term, io));
            } else {
                (*io.passes.values)[static_cast<std::size_t>(AuditedPasses<Op>::template place<Of>() + item)] =
                    Op::pass(of, at, io);
            }
        }
        ++io.passes.made;
    };
    (run(Ps{}), ...);
}

/// Runs the bodies of an operation for one sample: what it makes of x is left in y.
template <class Op>
STRATA_COLD void audit_operation(AuditedOperation const& a) {
    using X = AuditedView<input_of<Op>>;
    using Y = AuditedView<typename Op::Output>;
    using P = ParametersView<typename Op::Parameters, double, double>;
    using Earlier = std::conditional_t<has_passes<Op>(), AuditedPasses<Op>, NoPasses>;
    using Given = BodyInput<X, Y, Y, P, typename SeveralInputs<Op>::type, Earlier>;
    using Io = seen_input<Op, Given>;  // of a sequence of one token
    AuditedBody body{a.layer, type_of<Op>(), "forward"};
    std::vector<double> extra(static_cast<std::size_t>(Op::Output::size), 0.25);
    Io io{Given{{a.inputs[0], &body, "x", nullptr},
                {a.y.data(), &body, "y", "which is what it returns"},
                {a.y.data(), &body, "dy", "which is there in backward only"},
                {nullptr, &body, "extra", "which is there in backward only"},
                {a.parameters},
                {.seed = 5, .operation = static_cast<std::uint32_t>(a.index), .step = 3},
                0}};
    static constexpr char const* names[] = {"input<1>()", "input<2>()", "input<3>()", "input<4>()",
                                            "input<5>()", "input<6>()", "input<7>()"};
    for (std::size_t k = 0; k < io.more.size(); ++k) io.more[k] = {a.inputs[k + 1], &body, names[k], nullptr};
    auto const run = [](auto domain, auto const& f, std::vector<double>& result) {
        constexpr int block = block_of<Op>();
        for (int item = 0; item < domain.size; ++item) {
            auto const values = f(domain.position(item));
            for (int k = 0; k < block && item * block + k < static_cast<int>(result.size()); ++k)
                if constexpr (block > 1)
                    result[static_cast<std::size_t>(item * block + k)] = values[static_cast<std::size_t>(k)];
                else
                    result[static_cast<std::size_t>(item)] = values;
        }
    };
    std::vector<double> passes(static_cast<std::size_t>(forward_passes<Op>::size + backward_passes<Op>::size));
    if constexpr (has_passes<Op>()) io.passes = {&body, &passes, a.statistics, 0};
    a.y.assign(static_cast<std::size_t>(Op::Output::size), 0.0);
    // What forward reads of other tokens is what an operation with a State keeps of them.
    if constexpr (has_state<Op>()) {
        io.x.kept_begin = Op::State::first;
        io.x.kept_end = Op::State::first + Op::State::count;
        if constexpr (has_passes<Op>()) io.passes.of_others = false;
    }
    if constexpr (forward_passes<Op>::count > 0) {
        body.body = "pass";
        audit_passes<Op>(io, forward_passes<Op>{});
        body.body = "forward";
    }
    if constexpr (reduces_sequence<Op>())
        io.x.absent = "which has a column a token, not a sequence: the forward of a reduction reads passes";
    for (double* const to : {static_cast<double*>(nullptr), extra.data()}) {  // in inference, in training
        io.extra.data = to;
        io.y.data = io.dy.data = a.y.data();
        run(forward_domain<Op>{}, [&](auto at) { return Op::forward(at, io); }, a.y);
    }

    if constexpr (has_state<Op>()) {
        io.x.kept_begin = 0;
        io.x.kept_end = input_of<Op>::size;
        if constexpr (has_passes<Op>()) io.passes.of_others = true;
    }
    constexpr Keep keep = keep_of<Op>();
    constexpr auto not_kept = "but its `keep` does not say so";
    io.x.absent = keeps_input(keep) ? nullptr : not_kept;
    for (auto& view : io.more) view.absent = io.x.absent;
    io.y.absent = keeps_output(keep) ? nullptr : not_kept;
    io.dy.absent = nullptr;  // any finite numbers will do, y for example
    io.extra.absent = keeps_extra<Op>() ? nullptr : "but it does not say `keeps_extra`";
    if constexpr (backward_passes<Op>::count > 0) {
        body.body = "pass";
        audit_passes<Op>(io, backward_passes<Op>{});
    }
    body.body = "input_gradient";
    static_cast<void>(for_all_inputs<Op>([&]<int K>() {
        using Seen = gradient_operation<Op, K>;
        std::vector<double> dx(static_cast<std::size_t>(input_of<Op, K>::size));
        run(backward_domain<Seen>{}, [&](auto at) { return Seen::input_gradient(at, io); }, dx);
        return true;
    }));
    if constexpr (Op::Parameters::size > 0 && !gathers_gradients<Op>()) {
        body.body = "parameter_gradient";
        Op::Parameters::for_each([&]<class P0>(P0 parameter) {
            for (int e = 0; e < P0::Extents::size; ++e)
                static_cast<void>(Op::parameter_gradient(parameter, P0::Extents::position(e), io));
        });
    }
}

}  // namespace detail

/// Throws Error that names the layer, without the prefix `within`, the body and the view where a body reads what
/// executors do not provide: `extra` in forward, x or y in backward without saying so in `keep`, elements beyond the
/// end.
template <class Net>
STRATA_COLD void audit_bodies(Model<Net, Float64> const& model, std::string_view within = "") {
    auto const name_of = [&](std::string_view name) {
        return name.starts_with(within) ? name.substr(within.size()) : name;
    };
    std::vector<double> statistics(static_cast<std::size_t>(Net::statistic_count) + 1);
    detail::evaluation_statistics<Net>(model.buffers().data(), statistics.data());
    std::vector<std::vector<double>> values(static_cast<std::size_t>(Net::operation_count) + 1);
    values[0].assign(static_cast<std::size_t>(Net::InputShape::size), 0.5);
    Net::for_each_operation([&]<int Index>() {
        using Node = typename Net::template NodeAt<Index>;
        using Op = detail::kernel_operation<typename Node::Op>;
        auto& y = values[Index + 1];
        if constexpr (detail::is_view<Op>() || detail::is_concatenation<Op>()) {
            for (int const v : Node::inputs) {
                auto const& part = values[static_cast<std::size_t>(v)];
                auto begin = part.begin(), end = part.end();
                if constexpr (requires { Op::view_offset; }) end = (begin += Op::view_offset) + Op::Output::size;
                y.insert(y.end(), begin, end);
            }
        } else {
            std::array<double*, ValueList::most> inputs{};
            for (int k = 0; k < Node::inputs.count; ++k)
                inputs[static_cast<std::size_t>(k)] = values[static_cast<std::size_t>(Node::inputs[k])].data();
            detail::audit_operation<Op>({name_of(Net::layer_table[Index].name), Index, inputs, y,
                                         detail::is_frozen<typename Node::Op>
                                             ? model.buffers().data() + Net::buffers_at(Index)
                                             : model.parameters().data() + Net::parameters_at(Index),
                                         statistics.data() + Net::statistic_offset[Index]});
        }
    });
}

}  // namespace strata::inline STRATA_ABI
