#include "network.hpp"

int main() { return train_and_compare(&accuracy_in_library); }
