// Whitening: a transform of samples whose numbers become uncorrelated with variance 1.
//
//   y = W (x - mean),   covariance = U diag(lambda) U^T (divided by N - 1)
//   PCA:  W = diag(lambda + epsilon)^(-1/2) U^T     the largest lambda first, the largest number of a row of U^T > 0
//   ZCA:  W = U diag(lambda + epsilon)^(-1/2) U^T   symmetric: y stays as close to x as it can
//
// Source: Krizhevsky 2009, appendix A; Kessy, Lewin, Strimmer, arXiv:1512.00809.
#pragma once

#include <algorithm>
#include <memory>

#include "../data/dataset.hpp"
#include "decomposition.hpp"
#include "dense.hpp"

namespace strata::inline STRATA_ABI {

enum class WhiteningKind : std::uint8_t { zca, pca };

struct WhiteningOptions {
    WhiteningKind kind = WhiteningKind::zca;
    double epsilon = 1e-5;  ///< added to the variances: 1e-2 to 1e-5 for pixels between 0 and 1
};

/// A transform fitted on a dataset: `Whitening const whitening(data.train); auto train = data.train.with(whitening),
/// test = data.test.with(whitening);`. It sees samples as transforms of one's own do: bytes divided by 255, after the
/// transforms that the dataset already has but before Normalize, which acts last wherever it stands. Random transforms
/// belong behind it. Copies share their matrix of [C H W][C H W] floats.
class Whitening {
public:
    /// Throws Error when the dataset has fewer than two samples, the numbers are not finite or epsilon is negative.
    explicit Whitening(Dataset const& data, WhiteningOptions const& options = {}) : fitted_(fit(data, options)) {}

    /// [C H W]
    [[nodiscard]] Eigen::VectorXf const& mean() const { return fitted_->mean; }
    /// W [C H W][C H W]
    [[nodiscard]] Eigen::MatrixXf const& matrix() const { return fitted_->matrix; }

    /// Whitens one sample in place. Throws Error when it has another size.
    void operator()(std::span<float> sample, SampleShape, Random&) const {
        if (static_cast<Eigen::Index>(sample.size()) != fitted_->mean.size())
            fail("Whitening: got a sample of ", sample.size(), " values, was fitted on ", fitted_->mean.size());
        Eigen::Map<Eigen::VectorXf> x(sample.data(), fitted_->mean.size());
        Eigen::VectorXf const centred = x - fitted_->mean;
        x.noalias() = fitted_->matrix * centred;
    }

private:
    struct Fitted {
        Eigen::VectorXf mean;
        Eigen::MatrixXf matrix;
    };

    /// Samples [first, first + rows of x) as this transform sees them.
    static void read(Dataset const& data, std::size_t first, Eigen::Ref<Eigen::MatrixXd> columns) {
        auto const type = data.transforms().sample_type();
        AlignedVector<std::byte> sample(data.shape().size() * size_of(type));
        for (Eigen::Index i = 0; i < columns.cols(); ++i) {
            data.load(first + static_cast<std::size_t>(i), {sample.data(), sample.size()}, 0, 0);
            auto const copy = [&]<class T>(T const* numbers, float divisor) {
                for (Eigen::Index k = 0; k < columns.rows(); ++k)
                    columns(k, i) = static_cast<double>(static_cast<float>(numbers[k]) / divisor);
            };
            if (type == DataType::uint8)
                copy(reinterpret_cast<std::uint8_t const*>(sample.data()), 255.0f);
            else if (type == DataType::float32)
                copy(reinterpret_cast<float const*>(sample.data()), 1.0f);
            else
                copy(reinterpret_cast<double const*>(sample.data()), 1.0f);
        }
    }

    STRATA_COLD static std::shared_ptr<Fitted const> fit(Dataset const& data, WhiteningOptions const& options) {
        if (data.has_sequences()) fail("Whitening: the samples are sequences, expected single ones");
        if (is_of_ids(data.type())) fail("Whitening: the samples are ids, expected numbers");
        if (data.size() < 2) fail("Whitening: a covariance needs at least 2 samples, the dataset has ", data.size());
        if (!(options.epsilon >= 0)) fail("Whitening: epsilon is ", options.epsilon, ", expected at least 0");
        auto const size = static_cast<Eigen::Index>(data.shape().size());
        // Blocks of samples: a dataset need not fit the memory as doubles. The mean goes first, so that the covariance
        // is a sum of squares and not a difference of large numbers.
        std::size_t const block = 256;
        Eigen::MatrixXd x, covariance = Eigen::MatrixXd::Zero(size, size);
        Eigen::VectorXd mean = Eigen::VectorXd::Zero(size);
        auto const for_blocks = [&](auto const& f) {
            for (std::size_t first = 0; first < data.size(); first += block) {
                x.resize(size, static_cast<Eigen::Index>((std::min)(block, data.size() - first)));
                read(data, first, x);
                f();
            }
        };
        for_blocks([&] { mean += x.rowwise().sum(); });
        mean /= static_cast<double>(data.size());
        for_blocks([&] {
            x.colwise() -= mean;
            covariance += detail::times_transposed(x, x);
        });
        covariance /= static_cast<double>(data.size() - 1);
        if (!covariance.allFinite()) fail("Whitening: the samples hold numbers that are not finite");

        auto const spectrum = detail::spectrum_of(covariance);
        auto fitted = std::make_shared<Fitted>();
        fitted->mean = mean.cast<float>();
        Eigen::MatrixXd pca(size, size);  // a column for each row of W, the largest variance first
        for (Eigen::Index k = 0; k < size; ++k) {
            double const variance = spectrum.values[size - 1 - k];  // rounding may leave -1e-18
            double const scale = 1 / std::sqrt((variance > 0 ? variance : 0) + options.epsilon);
            if (!is_finite(scale)) fail("Whitening: a direction has no variance: give an epsilon above 0");
            auto const direction = spectrum.vectors.col(size - 1 - k);
            Eigen::Index largest = 0;
            direction.cwiseAbs().maxCoeff(&largest);
            pca.col(k) = direction * (direction[largest] < 0 ? -scale : scale);
        }
        if (options.kind == WhiteningKind::zca) {
            // The signs of the eigenvectors meet themselves: U scale U^T.
            Eigen::MatrixXd vectors = pca;
            for (Eigen::Index k = 0; k < size; ++k) vectors.col(k).normalize();
            fitted->matrix = detail::times_transposed(vectors, pca).cast<float>();
        } else {
            fitted->matrix = pca.transpose().cast<float>();
        }
        return fitted;
    }

    std::shared_ptr<Fitted const> fitted_;
};

}  // namespace strata::inline STRATA_ABI
