// expect: data_type_of: no DataType for this C++ type
#include <strata/core/tensor.hpp>

strata::DataType const type = strata::data_type_of<bool>;
