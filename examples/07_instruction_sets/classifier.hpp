// What the program knows of the network: plain data and an abstract class, no type of Strata's.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

class Classifier {
public:
    static constexpr std::size_t image_size = 28 * 28, classes = 10;
    virtual ~Classifier() = default;
    /// The target that it is compiled for.
    virtual std::string_view target() const = 0;
    /// [n][10] scores of n images, valid until the next call.
    virtual std::span<float const> scores(std::span<float const> images) = 0;
};

/// A classifier with the weights in a file, or with those that training starts from.
using MakeClassifier = std::unique_ptr<Classifier>(std::string const& file);

/// The function for the best target that this processor can run, or for the one with this name.
MakeClassifier* choose_classifier(std::string_view target = {});
