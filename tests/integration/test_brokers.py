"""The brokers that the AMQP tests rely on do what those tests take for granted."""
from support import amqp
from support.wait import wait_until


def test_a_durable_message_survives_kill_9_of_the_broker(broker):
    broker.create_queue("kept")
    broker.purge("kept")
    broker.publish("kept", b"one \0\xff", b"two")
    wait_until(lambda: broker.depth("kept") == 2, 20, "both messages in the queue")
    broker.kill()
    broker.start()
    bodies = [message.body for message in broker.receive("kept", 2)]
    assert bodies == [b"one \0\xff", b"two"]


def test_a_stopped_broker_answers_nothing_until_it_goes_on(broker):
    broker.pause()
    assert not amqp.answers(broker)
    broker.resume()
    wait_until(lambda: amqp.answers(broker), 20, "the broker to answer again")
