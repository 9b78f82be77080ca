#include "../consumer/network.hpp"

int main() {
    // No images: nothing but the library's symbols is needed.
    return accuracy_in_library({}, {}, {}) >= 0 ? 1 : 0;
}
