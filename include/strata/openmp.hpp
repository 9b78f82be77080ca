// Everything for the CPU, and workers of OpenMP: Cpu{.team = Team::openmp}. Needs -fopenmp. Includes only.
#pragma once

#include "strata.hpp"

#include "backend/cpu/threads/openmp_team.hpp"
