"""Which formats there are with these settings."""

from satomori_ingest.decoders import Decoder
from satomori_ingest.decoders.chirpstack import ChirpstackDecoder
from satomori_ingest.decoders.json_mapping import JsonMappingDecoder
from satomori_ingest.decoders.line_protocol import LineProtocolDecoder
from satomori_ingest.decoders.senml import SenmlDecoder
from satomori_ingest.decoders.sparkplug import SparkplugDecoder
from satomori_ingest.decoders.tasmota import TasmotaDecoder
from satomori_ingest.decoders.things_stack import ThingsStackDecoder
from satomori_ingest.decoders.zigbee2mqtt import Zigbee2MqttDecoder
from satomori_ingest.settings import IngestSettings


def make_decoders(settings: IngestSettings) -> list[Decoder]:
    return [
        SenmlDecoder(),
        *(JsonMappingDecoder(table) for table in settings.mapping),
        *(ChirpstackDecoder(table) for table in settings.chirpstack),
        *(ThingsStackDecoder(table) for table in settings.things_stack),
        *(Zigbee2MqttDecoder(table) for table in settings.zigbee2mqtt),
        *(TasmotaDecoder(table) for table in settings.tasmota),
        *(LineProtocolDecoder(table) for table in settings.line_protocol),
        *(SparkplugDecoder(table) for table in settings.sparkplug),
    ]
