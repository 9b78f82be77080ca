// The same program compiled by nvcc.
#include "cpu_step_in_cu.cpp"
