// A type of Strata's between two units, which links only where both are compiled alike.
#include <strata/core/error.hpp>

int message_size(strata::Error const& error);

#ifdef DEFINES
int message_size(strata::Error const& error) { return static_cast<int>(std::string(error.what()).size()); }
#else
int main() { return message_size(strata::Error("")); }
#endif
