// A program that asks for the components has their libraries.
#include <omp.h>

#include <Eigen/Core>

int main() {
    Eigen::Vector2f const one(0, omp_get_max_threads() >= 1 ? 1 : 0);
    return one.sum() == 1 ? 0 : 1;
}
