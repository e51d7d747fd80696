"""What is asked of a database's connection, whatever the system's own settings are."""

import psycopg
import pytest

from satomori_store.databases import engine_of
from support.postgres import Postgres


@pytest.mark.servers
def test_a_server_that_is_gone_without_a_word_is_an_error_within_half_a_minute(postgres: Postgres) -> None:
    """The system's own settings make two hours of it. With packets dropped by nft, 20.5 s and 22.5 s were measured."""
    engine = engine_of(postgres.url())
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        told = {name: int(value) for name, value in driver.info.get_parameters().items() if value.isdigit()}
    engine.dispose()
    assert told["keepalives_idle"] + told["keepalives_interval"] * told["keepalives_count"] <= 30
    assert told["tcp_user_timeout"] <= 30_000
