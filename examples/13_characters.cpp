// Tutorial 13: a language model that writes text, character by character.
//
//     13_characters FILE [EPOCHS]
//
// FILE is any text of some thousand characters. Each of them is trained to be told from those before it, in pieces of 64:
// sequences of ids, causal attention and an output a token. Then it writes: what attention reads of the characters so far
// stays in a SequenceState, so that one more costs one more.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

constexpr int piece = 64, all_characters = 256, width = 64;

// A token is two ids: the character, and its place in the piece, behind all characters. Attention knows no places.
using Transformer = Inline<Residual<Main<LayerNorm<>, Linear<3 * width>, Attention<4, Causal>, Linear<width>>>,
                           Residual<Main<LayerNorm<>, Linear<4 * width>, GELU, Linear<width>>>>;
using Writer = Network<Sequence<Ids<all_characters + piece, 2>, piece>, Named<"embedding", Embedding<width>>, Flatten,
                       Linear<width>, Repeat<2, Transformer>, LayerNorm<>, Named<"next", Linear<all_characters>>>;
static_assert(Writer::output_shape == Shape<all_characters>{});

/// Pieces of a text; the label of a character is the next one.
struct Pieces {
    std::vector<std::int32_t> ids, next;
    std::vector<int> lengths;
    explicit Pieces(std::string const& text) {
        for (std::size_t k = 0; k + 1 < text.size(); ++k) {
            int const place = static_cast<int>(k % piece);
            if (place == 0) lengths.push_back(0);
            ++lengths.back();
            ids.insert(ids.end(), {static_cast<unsigned char>(text[k]), all_characters + place});
            next.push_back(static_cast<unsigned char>(text[k + 1]));
        }
    }
    [[nodiscard]] Dataset data() const {
        return from_memory(view(ids), {2}, Lengths(lengths), view(next), all_characters);
    }
};

/// One of the characters, as likely as the network takes it to be.
static int drawn_from(std::span<float const> logits, double temperature, Random& random) {
    double const most = *std::max_element(logits.begin(), logits.end());
    std::vector<double> up_to(logits.size());
    double sum = 0;
    for (std::size_t k = 0; k < logits.size(); ++k) {
        sum += std::exp((static_cast<double>(logits[k]) - most) / temperature);
        up_to[k] = sum;
    }
    auto const at = std::upper_bound(up_to.begin(), up_to.end(), random.uniform(0, sum));
    return static_cast<int>(std::min(at - up_to.begin(), std::ptrdiff_t{all_characters - 1}));
}

int main(int argument_count, char** arguments) try {
    if (argument_count < 2) throw std::runtime_error("usage: 13_characters FILE [EPOCHS]");
    std::ifstream file(arguments[1], std::ios::binary);
    std::string const text{std::istreambuf_iterator<char>(file), {}};
    if (text.size() < 2000)
        throw std::runtime_error(std::string(arguments[1]) + ": " + std::to_string(text.size()) +
                                 " characters can be read, expected 2000 or more");
    std::size_t const trained = text.size() / 10 * 9;
    Pieces const training(text.substr(0, trained)), rest(text.substr(trained));

    auto trainer = train<Writer>(AdamW{.learning_rate = 3e-3}, OneCycleLR{}, ClipNorm{1}, Seed{1});
    trainer.fit(training.data(), rest.data(),
                {.epochs = argument_count > 2 ? std::atoi(arguments[2]) : 20, .batch_size = 8});

    auto const model = trainer.snapshot();
    Workspace<Writer> workspace;
    SequenceState<Writer> state(1, piece);  // of one sequence of a piece's length
    Random random(1, Purpose::user);
    std::puts("\nthe network writes:");
    for (int line = 0; line < 5; ++line) {
        state.clear();
        std::string written(1, text[static_cast<std::size_t>(random.below(static_cast<std::uint32_t>(trained)))]);
        while (static_cast<int>(written.size()) < piece) {
            std::int32_t const token[2] = {static_cast<unsigned char>(written.back()),
                                           all_characters + state.length(0)};
            auto const logits = model.append(std::span(token), state, workspace);
            written += static_cast<char>(drawn_from(logits, 0.7, random));
        }
        std::replace(written.begin(), written.end(), '\n', ' ');
        std::printf("  %s\n", written.c_str());
    }
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
