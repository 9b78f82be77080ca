// Calls the units FIRST and SECOND, linked in whatever order, and prints their numbers.
#include <cstdio>

extern "C" void FIRST(double (&numbers)[6]);
extern "C" void SECOND(double (&numbers)[6]);

static void print(char const* name, void (*unit)(double (&)[6])) {
    double numbers[6];
    unit(numbers);
    std::printf("%s", name);
    for (double const number : numbers) std::printf(" %.17g", number);
    std::printf("\n");
}

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

int main() {
    print(TEXT(FIRST), &FIRST);
    print(TEXT(SECOND), &SECOND);
}
