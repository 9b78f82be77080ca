// Everything for ranks that work on one batch together: communicators, and the exchange that adds gradients in the tree
// of one rank.
#pragma once

#include "distributed/communicator.hpp"
#include "distributed/data_parallel.hpp"
#include "distributed/exchange.hpp"
#include "distributed/exchange_rounds.hpp"
#include "distributed/faulty.hpp"
#include "distributed/link.hpp"
#include "distributed/modelled.hpp"
#include "distributed/recorded.hpp"
#include "distributed/threads.hpp"
#include "distributed/wire.hpp"
