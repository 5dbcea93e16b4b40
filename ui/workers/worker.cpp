// SPDX-License-Identifier: GPL-3.0-or-later
//
// The wake-up is a queued call without arguments, so that nothing but our own mutexes orders the
// threads. Called by name: then no object of ours travels through Qt's queue.

#include "ui/workers/worker.h"

#include <QMetaObject>

namespace velamen::ui {

Worker::Worker(QObject* parent) : QObject(parent) {}

void Worker::wake() noexcept
{
    if (!isWakePosted_.exchange(true))
        QMetaObject::invokeMethod(this, "receiveWake", Qt::QueuedConnection);
}

void Worker::receiveWake()
{
    isWakePosted_.store(false);
    woken();
}

} // namespace velamen::ui
