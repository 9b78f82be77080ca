// Tutorial 10: how far would it scale?
//
//     10_scaling [FILE]
//
// Simulates a training (25.6 million parameters, 100 ms a step and rank, 10 % of jitter) on 1 to 4096 ranks and lines of 1
// to 400 Gbit/s, prints what share of the ranks' time is of use, and draws it into scaling.svg, or FILE.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <strata/distributed/simulate.hpp>

using namespace strata;

namespace {

/// A way to train on many ranks, and the colour of its line.
struct Way {
    char const* name;
    char const* colour;
    Simulation simulation;
};

Link line(double gigabits) {
    return {.latency = 20e-6,
            .bandwidth = gigabits * 1e9 / 8,
            .seconds_per_byte = 2e-11,  // additions at 50 GB/s
            .seconds_per_message = 1e-6};
}

std::vector<Way> ways() {
    Simulation common{.parameters = 25'600'000, .compute = 0.1, .jitter = 0.1};
    auto const with = [&](auto const& change) {
        Simulation changed = common;
        change(changed);
        return changed;
    };
    return {
        {"in step", "#000000", common},
        {"in step, sharded", "#0072b2", with([](Simulation& s) { s.synchronisation = SimulatedMode::sharded; })},
        {"in step, Int8", "#e69f00", with([](Simulation& s) { s.gradient_bytes = s.parameter_bytes = 1; })},
        {"in step, OneBit", "#d55e00", with([](Simulation& s) {
             s.gradient_bytes = 5.0 / 32;
             s.parameter_bytes = 17.0 / 32;  // Int4
         })},
        {"servers, 3 steps stale", "#009e73", with([](Simulation& s) { s.synchronisation = SimulatedMode::ssp; })},
        {"servers, asynchronous", "#cc79a7", with([](Simulation& s) { s.synchronisation = SimulatedMode::asp; })},
    };
}

double efficiency(Simulation simulation, int ranks, Link const& link) {
    simulation.ranks = ranks;
    simulation.link = link;
    simulation.steps = std::clamp(6400 / ranks, 20, 400);  // jitter has to even out
    // Codes go from every rank to every owner; sums go in halves.
    if (simulation.gradient_bytes < 4) simulation.shards = ranks;
    return simulate(simulation).efficiency;
}

/// Lines over the number of ranks, in panels of one bandwidth each.
class Plot {
public:
    explicit Plot(std::string const& file) : file_(file), out_(file) { check(); }
    void add_panel(double gigabits) {
        left_ = 50 + panels_ % 3 * 270;
        top_ = 40 + panels_ / 3 * 230;
        ++panels_;
        text(left_ + 110, top_ - 10, number(gigabits) + " Gbit/s", "middle");
        for (int percent = 0; percent <= 100; percent += 25) {
            rule(left_, y(percent / 100.0), left_ + 220, y(percent / 100.0));
            text(left_ - 6, y(percent / 100.0) + 4, std::to_string(percent) + " %", "end");
        }
        for (int ranks = 1; ranks <= 4096; ranks *= 8) {
            rule(x(ranks), top_, x(ranks), top_ + 160);
            text(x(ranks), top_ + 176, std::to_string(ranks), "middle");
        }
    }
    void add_line(std::vector<double> const& efficiencies, char const* colour) {
        body_ += "<polyline fill=\"none\" stroke-width=\"1.8\" stroke=\"" + std::string(colour) + "\" points=\"";
        for (std::size_t k = 0; k < efficiencies.size(); ++k)
            body_ += number(x(std::ldexp(1.0, static_cast<int>(k)))) + "," + number(y(efficiencies[k])) + " ";
        body_ += "\"/>\n";
    }
    /// Beside the last panel.
    void add_legend(std::vector<Way> const& ways) {
        double row = 290;
        for (Way const& way : ways) {
            body_ += "<line stroke-width=\"2.5\" stroke=\"" + std::string(way.colour) +
                     "\" x1=\"600\" x2=\"630\" y1=\"" + number(row - 4) + "\" y2=\"" + number(row - 4) + "\"/>\n";
            text(638, row, way.name, "start");
            row += 22;
        }
        text(600, row + 8, "useful share of the ranks' time", "start");
        text(600, row + 24, "by number of ranks", "start");
    }
    void write() {
        out_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 830 480\" font-family=\"sans-serif\" "
                "font-size=\"11\">\n<rect width=\"830\" height=\"480\" fill=\"#ffffff\"/>\n"
             << body_ << "</svg>\n";
        out_.close();
        check();
    }

private:
    void check() const {
        if (!out_) fail("cannot write ", file_);
    }
    static std::string number(double value) {
        char digits[32];
        std::snprintf(digits, sizeof digits, "%.4g", value);
        return digits;
    }
    [[nodiscard]] double x(double ranks) const { return left_ + 220 * std::log2(ranks) / 12; }
    [[nodiscard]] double y(double share) const { return top_ + 160 * (1 - share); }
    void rule(double x1, double y1, double x2, double y2) {
        body_ += "<line stroke=\"#dddddd\" x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
                 "\" y2=\"" + number(y2) + "\"/>\n";
    }
    void text(double x, double y, std::string const& words, char const* anchor) {
        body_ += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\">" + words +
                 "</text>\n";
    }

    std::string file_, body_;
    std::ofstream out_;
    int panels_ = 0;
    double left_ = 0, top_ = 0;
};

void bandwidths(std::string const& file) {
    auto const all = ways();
    Plot plot(file);
    for (double const gigabits : {1.0, 10.0, 25.0, 100.0, 400.0}) {
        std::printf("%g Gbit/s: useful share of the ranks' time, in %%\n%26s", gigabits, "ranks");
        plot.add_panel(gigabits);
        for (int ranks = 1; ranks <= 4096; ranks *= 4) std::printf("%6d", ranks);
        std::printf("\n");
        for (Way const& way : all) {
            std::vector<double> line_of;
            std::printf("%26s", way.name);
            for (int ranks = 1; ranks <= 4096; ranks *= 2) {
                line_of.push_back(efficiency(way.simulation, ranks, line(gigabits)));
                if (line_of.size() % 2 == 1) std::printf("%6.0f", 100 * line_of.back());
            }
            std::printf("\n");
            plot.add_line(line_of, way.colour);
        }
        std::printf("\n");
    }
    plot.add_legend(all);
    plot.write();
}

/// One rank in 256 always takes twice as long.
void stragglers() {
    std::printf("25 Gbit/s, one rank in 256 twice as slow, in %%\n%26s", "ranks");
    for (int ranks = 256; ranks <= 4096; ranks *= 4) std::printf("%6d", ranks);
    std::printf("\n");
    for (Way const& way : ways()) {
        Simulation simulation = way.simulation;
        simulation.stragglers = 1.0 / 256;
        std::printf("%26s", way.name);
        for (int ranks = 256; ranks <= 4096; ranks *= 4)
            std::printf("%6.0f", 100 * efficiency(simulation, ranks, line(25)));
        std::printf("\n");
    }
    std::printf("\n");
}

/// Ranks in step stand still together when one of them fails: as one rank that fails as often as all of them.
void failures() {
    std::printf("100 Gbit/s, in step, every rank fails once a year, in %%\n%26s", "ranks");
    for (int ranks = 256; ranks <= 4096; ranks *= 4) std::printf("%6d", ranks);
    std::printf("\n");
    for (double const recovery : {0.1, 60.0, 600.0}) {
        std::printf("%18s %5g s", "going on within", recovery);
        for (int ranks = 256; ranks <= 4096; ranks *= 4) {
            double const undisturbed = efficiency(ways()[0].simulation, ranks, line(100));
            Simulation together{.ranks = 1, .recovery = recovery, .steps = 5'000'000};
            together.compute = 0.1 / undisturbed;
            together.failures = ranks / (365 * 86'400.0);
            std::printf("%6.1f", 100 * undisturbed * simulate(together).efficiency);
        }
        std::printf("\n");
    }
}

}  // namespace

int main(int argument_count, char** arguments) {
    std::string const file = argument_count > 1 ? arguments[1] : "scaling.svg";
    try {
        bandwidths(file);
        stragglers();
        failures();
        std::printf("\ndrawn into %s\n", file.c_str());
    } catch (Error const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
