// SPDX-License-Identifier: GPL-3.0-or-later
//
// The wake-up is an event without content, so that nothing but our own mutexes orders the threads.

#include "ui/workers/worker.h"

#include <QCoreApplication>
#include <QEvent>

namespace velamen::ui {

namespace {

QEvent::Type wakeType()
{
    static const auto type = static_cast<QEvent::Type>(QEvent::registerEventType());
    return type;
}

} // namespace

Worker::Worker(QObject* parent) : QObject(parent)
{
    wakeType(); // registered before any thread asks for it
}

void Worker::wake() noexcept
{
    if (!isWakePosted_.exchange(true)) QCoreApplication::postEvent(this, new QEvent(wakeType()));
}

bool Worker::event(QEvent* event)
{
    if (event->type() != wakeType()) return QObject::event(event);
    isWakePosted_.store(false);
    woken();
    return true;
}

} // namespace velamen::ui
