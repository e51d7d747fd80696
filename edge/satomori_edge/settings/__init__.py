"""The [edge] table: which gateway this is, what it reads, how much it keeps, how it sends.

Each class says by `faults` what is wrong with an entry and by `planned` what it would read; `load_edge` gathers all
faults, with what only the whole shows (two devices with one name), into one message.
"""

from satomori_edge.settings.actuators import ActuatorSettings as ActuatorSettings
from satomori_edge.settings.actuators import LineDrive as LineDrive
from satomori_edge.settings.actuators import Point as Point
from satomori_edge.settings.actuators import RegisterDrive as RegisterDrive
from satomori_edge.settings.actuators import RemoteSettings as RemoteSettings
from satomori_edge.settings.faults import Planned as Planned
from satomori_edge.settings.frames import FrameMetric as FrameMetric
from satomori_edge.settings.frames import FrameNode as FrameNode
from satomori_edge.settings.frames import FramesSettings as FramesSettings
from satomori_edge.settings.modbus import REGISTERS_OF_TYPE as REGISTERS_OF_TYPE
from satomori_edge.settings.modbus import ModbusSettings as ModbusSettings
from satomori_edge.settings.modbus import Order as Order
from satomori_edge.settings.modbus import Register as Register
from satomori_edge.settings.modbus import RegisterKind as RegisterKind
from satomori_edge.settings.modbus import RegisterType as RegisterType
from satomori_edge.settings.modbus import Slave as Slave
from satomori_edge.settings.mqtt import JsonField as JsonField
from satomori_edge.settings.mqtt import MqttMapping as MqttMapping
from satomori_edge.settings.mqtt import MqttSettings as MqttSettings
from satomori_edge.settings.nmea import CARRIED as CARRIED
from satomori_edge.settings.nmea import NmeaField as NmeaField
from satomori_edge.settings.nmea import NmeaSettings as NmeaSettings
from satomori_edge.settings.sdi12 import Sdi12Sensor as Sdi12Sensor
from satomori_edge.settings.sdi12 import Sdi12Settings as Sdi12Settings
from satomori_edge.settings.sdi12 import Sdi12Value as Sdi12Value
from satomori_edge.settings.sending import OutboxSettings as OutboxSettings
from satomori_edge.settings.sending import Protocol as Protocol
from satomori_edge.settings.sending import UplinkSettings as UplinkSettings
from satomori_edge.settings.text import TextField as TextField
from satomori_edge.settings.text import TextSettings as TextSettings
from satomori_edge.settings.whole import EdgeSettings as EdgeSettings
from satomori_edge.settings.whole import load_edge as load_edge
from satomori_edge.settings.whole import plan as plan
from satomori_edge.settings.whole import warnings as warnings
