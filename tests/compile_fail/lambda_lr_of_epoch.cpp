// expect: LambdaLR takes a function of a SchedulePosition (.epoch, .step) that returns the factor
#include <strata/schedule/lambda_lr.hpp>

using namespace strata;
double const rate = LambdaLR([](int epoch) { return 1.0 / epoch; })(0.1, {}).learning_rate;
