// The network. This file is compiled once for each target: nothing but STRATA_DISPATCH's function is seen from outside.
#include "classifier.hpp"

#include <memory>
#include <strata/dispatch.hpp>
#include <strata/strata.hpp>

namespace {

using Net = strata::Network<strata::Input<1, 28, 28>, strata::Conv2d<6, 5, strata::Padding<2>>, strata::ReLU,
                            strata::MaxPool2d<2>, strata::Conv2d<16, 5>, strata::ReLU, strata::MaxPool2d<2>,
                            strata::Flatten, strata::Linear<Classifier::classes>>;

class StrataClassifier final : public Classifier {
public:
    explicit StrataClassifier(strata::Model<Net> model) : model_(std::move(model)) {}
    std::string_view target() const override { return strata::target_name; }
    std::span<float const> scores(std::span<float const> images) override { return model_(images, workspace_); }

private:
    strata::Model<Net> const model_;
    strata::Workspace<Net> workspace_;
};

std::unique_ptr<Classifier> make_classifier(std::string const& file) {
    return std::make_unique<StrataClassifier>(file.empty() ? strata::Model<Net>(1) : strata::load<Net>(file));
}

}  // namespace

STRATA_DISPATCH(choose_classifier, make_classifier);
