// Loads the plugins that it is given, all before it calls the first, and prints the numbers of each. The functions have
// the plugins' names.
#include <dlfcn.h>

#include <cstdio>
#include <string>
#include <vector>

int main(int argument_count, char** arguments) {
    std::vector<void*> functions;
    for (int k = 1; k < argument_count; k += 2) {
        void* const plugin = dlopen(arguments[k], RTLD_NOW | RTLD_LOCAL);
        functions.push_back(plugin ? dlsym(plugin, arguments[k + 1]) : nullptr);
        if (!functions.back()) {
            std::fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
    }
    for (std::size_t k = 0; k < functions.size(); ++k) {
        double numbers[6];
        reinterpret_cast<void (*)(double(&)[6])>(functions[k])(numbers);
        std::printf("%s", arguments[2 * k + 2]);
        for (double const number : numbers) std::printf(" %.17g", number);
        std::printf("\n");
    }
}
